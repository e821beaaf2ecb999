"""What every payment gateway does, run over the one in memory and over Stripe's adapter against a local Stripe."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.adapters.payments.served import CLOCK, WEBHOOK_SECRET, ServedStripe, an_order, gateway_to, serve_stripe

from veilbot_adapters.memory import MemoryGateway
from veilbot_core.domain.errors import InvalidSignature, MalformedEvent, Rejected, Unavailable, Unknown
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider
from veilbot_core.ports.payments import PaymentGateway
from veilbot_runners.sandbox.stripe import Trouble
from veilbot_runners.sandbox.stripe_webhooks import signature

Webhook = tuple[bytes, Mapping[str, str]]


class Desk(ABC):
    """A gateway, and the hands of the customer, the bank and the network at the provider."""

    gateway: PaymentGateway
    foreign: bytes
    """A body that speaks of something of no concern."""

    async def open(self, order: Order) -> Order:
        page = await self.gateway.open_checkout(order)
        return order.offer(page.checkout_id, page.url)

    async def charged(self, order: Order) -> PaymentEvent:
        return self.read(await self.pay(order))

    def read(self, webhook: Webhook) -> PaymentEvent:
        event = self.gateway.parse_webhook(*webhook)
        assert event is not None
        return event

    @abstractmethod
    async def pay(self, order: Order, amount: int | None = None) -> Webhook: ...
    @abstractmethod
    async def expire(self, order: Order) -> Webhook: ...
    @abstractmethod
    async def dispute(self, order: Order, *, won: bool | None) -> Webhook: ...
    @abstractmethod
    def sign(self, body: bytes, ago: timedelta = timedelta()) -> Webhook: ...
    @abstractmethod
    def forge(self, body: bytes) -> Webhook: ...
    @abstractmethod
    def lose_answer(self) -> None: ...
    @abstractmethod
    def be_down(self) -> None: ...


class MemoryDesk(Desk):
    foreign = b'{"happening": "weather"}'

    def __init__(self) -> None:
        self.gateway: MemoryGateway = MemoryGateway(CLOCK)

    async def pay(self, order: Order, amount: int | None = None) -> Webhook:
        money = None if amount is None else replace(order.price, amount=amount)
        return self.gateway.pay(order.id, money)

    async def expire(self, order: Order) -> Webhook:
        return self.gateway.expire(order.id)

    async def dispute(self, order: Order, *, won: bool | None) -> Webhook:
        return self.gateway.dispute(order.id, won=won)

    def sign(self, body: bytes, ago: timedelta = timedelta()) -> Webhook:
        return self.gateway.sign(body, ago=ago)

    def forge(self, body: bytes) -> Webhook:
        return self.gateway.forge(body)

    def lose_answer(self) -> None:
        self.gateway.apply_then_fail()

    def be_down(self) -> None:
        self.gateway.fail_next(Unavailable())


class StripeDesk(Desk):
    foreign = b'{"id": "evt_1", "object": "event", "created": 1, "type": "customer.created", "data": {"object": {}}}'

    def __init__(self, gateway: PaymentGateway, served: ServedStripe) -> None:
        self.gateway = gateway
        self.served = served

    async def _told(self, path: str, **options: object) -> Webhook:
        before = len(self.served.heard)
        await self.served.act(path, **options)
        return self.served.heard[before]

    async def pay(self, order: Order, amount: int | None = None) -> Webhook:
        return await self._told(f"/sessions/{order.checkout_id}/pay", amount=amount)

    async def expire(self, order: Order) -> Webhook:
        return await self._told(f"/sessions/{order.checkout_id}/expire")

    async def dispute(self, order: Order, *, won: bool | None) -> Webhook:
        books = self.served.sandbox.books
        intent = books.session(str(order.checkout_id)).intent_id
        opened = next((d for d in books.disputes.values() if d.intent_id == intent), None)
        if won is None or opened is None:
            return await self._told(f"/charges/{intent}/dispute")
        return await self._told(f"/disputes/{opened.id}/close", status="won" if won else "lost")

    def sign(self, body: bytes, ago: timedelta = timedelta()) -> Webhook:
        return self._signed(WEBHOOK_SECRET, body, ago)

    def forge(self, body: bytes) -> Webhook:
        return self._signed("whsec_a_guess", body, timedelta())

    def lose_answer(self) -> None:
        self.served.sandbox.troubles.append(Trouble.LOST)

    def be_down(self) -> None:
        self.served.sandbox.troubles.append(Trouble.BUSY)

    def _signed(self, secret: str, body: bytes, ago: timedelta) -> Webhook:
        at = int((CLOCK.now() - ago).timestamp())
        return body, {"stripe-signature": signature(secret, body.decode("latin-1"), at)}


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[ServedStripe]:
    async with serve_stripe() as served:
        yield served


@pytest.fixture(params=["memory", "stripe"])
async def desk(request: pytest.FixtureRequest, served: ServedStripe) -> AsyncIterator[Desk]:
    if request.param == "memory":
        yield MemoryDesk()
        return
    async with gateway_to(served.api_base) as gateway:
        yield StripeDesk(gateway, served)


class TestCheckout:
    async def test_it_is_a_gateway(self, desk: Desk) -> None:
        assert isinstance(desk.gateway, PaymentGateway)

    async def test_opened_twice_it_is_the_same_page(self, desk: Desk) -> None:
        order = an_order()
        assert await desk.gateway.open_checkout(order) == await desk.gateway.open_checkout(order)

    async def test_each_order_has_its_own_page(self, desk: Desk) -> None:
        first, second = await desk.open(an_order()), await desk.open(an_order())
        assert first.checkout_id != second.checkout_id
        assert first.checkout_url != second.checkout_url

    async def test_after_a_lost_answer_the_page_is_found_again(self, desk: Desk) -> None:
        order = an_order()
        desk.lose_answer()
        with pytest.raises(Unknown):
            await desk.gateway.open_checkout(order)
        again = await desk.open(order)
        assert await desk.open(order) == again
        assert (await desk.charged(again)).money == order.price

    async def test_a_provider_that_does_nothing_is_unavailable(self, desk: Desk) -> None:
        desk.be_down()
        with pytest.raises(Unavailable):
            await desk.gateway.open_checkout(an_order())


class TestWebhooks:
    async def test_a_payment_is_told_with_its_order_and_money(self, desk: Desk) -> None:
        order = await desk.open(an_order(Money(amount=49900, currency="RUB")))
        event = await desk.charged(order)
        assert (event.provider, event.happening) == (Provider.STRIPE, Happening.CHARGED)
        assert (event.order_id, event.money) == (order.id, order.price)
        assert abs(event.at - CLOCK.now()) < timedelta(minutes=1)
        assert event.at.utcoffset() == timedelta()

    async def test_the_same_webhook_says_the_same(self, desk: Desk) -> None:
        webhook = await desk.pay(await desk.open(an_order()))
        assert desk.read(webhook) == desk.read(webhook)

    async def test_money_that_does_not_fit_is_passed_on_as_it_is(self, desk: Desk) -> None:
        order = await desk.open(an_order())
        assert desk.read(await desk.pay(order, amount=1)).money == Money(amount=1, currency="USD")

    async def test_a_page_that_died_is_told(self, desk: Desk) -> None:
        order = await desk.open(an_order())
        event = desk.read(await desk.expire(order))
        assert (event.happening, event.order_id, event.external_id) == (Happening.EXPIRED, order.id, order.checkout_id)

    @pytest.mark.parametrize(
        ("won", "happening"),
        [(None, Happening.DISPUTED), (True, Happening.DISPUTE_WON), (False, Happening.DISPUTE_LOST)],
    )
    async def test_a_dispute_names_its_charge(self, desk: Desk, won: bool | None, happening: Happening) -> None:  # noqa: FBT001
        order = await desk.open(an_order())
        charge = await desk.charged(order)
        event = desk.read(await desk.dispute(order, won=None))
        if won is not None:
            opened, event = event, desk.read(await desk.dispute(order, won=won))
            assert event.external_id == opened.external_id
            assert event.event_id != opened.event_id
        assert (event.happening, event.charge_id, event.money) == (happening, charge.external_id, order.price)

    async def test_what_is_of_no_concern_is_nothing(self, desk: Desk) -> None:
        assert desk.gateway.parse_webhook(*desk.sign(desk.foreign)) is None


class TestAuthenticity:
    async def test_an_unsigned_body_is_refused(self, desk: Desk) -> None:
        body, _ = await desk.pay(await desk.open(an_order()))
        with pytest.raises(InvalidSignature):
            desk.gateway.parse_webhook(body, {})

    async def test_a_body_signed_by_somebody_else_is_refused(self, desk: Desk) -> None:
        body, _ = await desk.pay(await desk.open(an_order()))
        with pytest.raises(InvalidSignature):
            desk.gateway.parse_webhook(*desk.forge(body))

    async def test_an_altered_body_is_refused(self, desk: Desk) -> None:
        body, headers = await desk.pay(await desk.open(an_order()))
        for altered in (body + b" ", body.replace(b"499", b"498"), json.dumps(json.loads(body), indent=1).encode()):
            with pytest.raises(InvalidSignature):
                desk.gateway.parse_webhook(altered, headers)

    @pytest.mark.parametrize("seconds", [302, 86400, -302, -86400])
    async def test_an_old_or_future_signature_is_refused(self, desk: Desk, seconds: int) -> None:
        with pytest.raises(InvalidSignature):
            desk.gateway.parse_webhook(*desk.sign(desk.foreign, timedelta(seconds=seconds)))

    @pytest.mark.parametrize("seconds", [290, -290])
    async def test_clocks_may_differ_a_little(self, desk: Desk, seconds: int) -> None:
        assert desk.gateway.parse_webhook(*desk.sign(desk.foreign, timedelta(seconds=seconds))) is None

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"1e999", b"{", b'"x"', b"[" * 100_000])
    async def test_signed_nonsense_is_malformed(self, desk: Desk, body: bytes) -> None:
        with pytest.raises(MalformedEvent):
            desk.gateway.parse_webhook(*desk.sign(body))


class TestFetch:
    async def test_an_open_page_says_nothing(self, desk: Desk) -> None:
        assert await desk.gateway.fetch(await desk.open(an_order())) is None

    async def test_an_order_without_a_page_says_nothing(self, desk: Desk) -> None:
        assert await desk.gateway.fetch(an_order()) is None

    async def test_a_payment_is_the_one_that_the_webhook_tells(self, desk: Desk) -> None:
        order = await desk.open(an_order())
        told = await desk.charged(order)
        first, second = await desk.gateway.fetch(order), await desk.gateway.fetch(order)
        assert first is not None
        assert second is not None
        assert first.event_id == second.event_id
        assert replace(first, event_id=told.event_id, at=told.at, charge_id=told.charge_id) == told

    async def test_a_dead_page_is_expired(self, desk: Desk) -> None:
        order = await desk.open(an_order())
        await desk.expire(order)
        event = await desk.gateway.fetch(order)
        assert event is not None
        assert (event.happening, event.order_id) == (Happening.EXPIRED, order.id)


class TestRefund:
    async def test_money_goes_back_once_per_attempt(self, desk: Desk) -> None:
        order = await desk.open(an_order())
        charge = (await desk.charged(order)).external_id
        part = Money(amount=100, currency="USD")
        first = await desk.gateway.refund(order, charge, part, attempt="499")
        again = await desk.gateway.refund(order, charge, part, attempt="499")
        other = await desk.gateway.refund(order, charge, part, attempt="399")
        assert (first.happening, first.charge_id, first.money) == (Happening.REFUNDED, charge, part)
        assert (first.order_id, first.external_id, first.event_id) == (order.id, again.external_id, again.event_id)
        assert other.external_id != first.external_id

    async def test_no_more_goes_back_than_came(self, desk: Desk) -> None:
        order = await desk.open(an_order())
        charge = (await desk.charged(order)).external_id
        with pytest.raises(Rejected):
            await desk.gateway.refund(order, charge, Money(amount=500, currency="USD"), attempt="1")
        await desk.gateway.refund(order, charge, order.price, attempt="2")
        with pytest.raises(Rejected):
            await desk.gateway.refund(order, charge, Money(amount=1, currency="USD"), attempt="3")

    async def test_what_was_not_paid_cannot_go_back(self, desk: Desk) -> None:
        order = await desk.open(an_order())
        with pytest.raises(Rejected):
            await desk.gateway.refund(order, f"pi_{uuid4().hex}", order.price, attempt="1")
