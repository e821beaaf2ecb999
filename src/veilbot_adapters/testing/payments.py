"""The contract of the payments port."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from veilbot_core.domain.errors import InvalidSignature, MalformedEvent, Rejected, Unavailable, Unknown
from veilbot_core.domain.ids import OrderId, TariffId, UserId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider
from veilbot_core.domain.tariff import Terms
from veilbot_core.ports.payments import PaymentGateway

Webhook = tuple[bytes, Mapping[str, str]]
"""A webhook's raw body, JSON, and its headers with lower-case names."""


class PaymentsSubject(ABC):
    """A gateway, and the hands of the customer, the bank and the network at the provider."""

    gateway: PaymentGateway
    provider: Provider
    foreign: bytes
    """A body, unsigned, that speaks of something of no concern."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the time of the gateway and the provider."""

    @abstractmethod
    async def pay(self, order: Order, amount: int | None = None) -> Webhook:
        """Pay the order's page, or another amount of minor units on it; return what the provider tells."""

    @abstractmethod
    async def expire(self, order: Order) -> Webhook:
        """Let the page die unpaid."""

    @abstractmethod
    async def dispute(self, order: Order, *, won: bool | None) -> Webhook:
        """Let the customer's bank open a dispute (``won`` is None), or let it end."""

    @abstractmethod
    def sign(self, body: bytes, ago: timedelta = timedelta()) -> Webhook:
        """Sign a body as the provider does, some time ago."""

    @abstractmethod
    def forge(self, body: bytes) -> Webhook:
        """Sign a body as somebody else might."""

    @abstractmethod
    def lose_answer(self) -> None:
        """Let the next call take effect and its answer not come."""

    @abstractmethod
    def be_down(self) -> None:
        """Let the next call be refused for now."""

    def order(self, price: Money | None = None) -> Order:
        """Return an order that wants to be paid: 4.99 USD unless ``price`` says something else."""
        return Order(
            id=OrderId(uuid4()),
            user_id=UserId(uuid4()),
            tariff_id=TariffId(uuid4()),
            terms=Terms(name="Month", days=30),
            price=price or Money(amount=499, currency="USD"),
            provider=self.provider,
            created_at=self.now(),
            expires_at=self.now() + timedelta(hours=1),
        )

    async def open(self, order: Order | None = None) -> Order:
        """Return an order with its page."""
        order = order or self.order()
        page = await self.gateway.open_checkout(order)
        return order.offer(page.checkout_id, page.url)

    async def charged(self, order: Order) -> PaymentEvent:
        """Pay, and return what the gateway reads from the webhook."""
        return self.read(await self.pay(order))

    def read(self, webhook: Webhook) -> PaymentEvent:
        """Return what the gateway reads."""
        event = self.gateway.parse_webhook(*webhook)
        assert event is not None
        return event

    async def list(self, since: datetime) -> list[PaymentEvent]:
        """Return what the gateway lists, page by page, from a second before a time until now."""
        events: list[PaymentEvent] = []
        after: str | None = None
        while True:
            until = self.now() + timedelta(seconds=1)
            page = await self.gateway.told(since - timedelta(seconds=1), until, after=after)
            events += page.events
            after = page.more
            if after is None:
                return events


@pytest.mark.asyncio
class PaymentsContract:
    """A `PaymentGateway` opens one page per order, believes signed webhooks only, and sends money back once."""

    @pytest.fixture
    def subject(self) -> PaymentsSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_it_is_a_gateway(self, subject: PaymentsSubject) -> None:
        assert isinstance(subject.gateway, PaymentGateway)

    async def test_opened_twice_it_is_the_same_page(self, subject: PaymentsSubject) -> None:
        order = subject.order()
        assert await subject.gateway.open_checkout(order) == await subject.gateway.open_checkout(order)

    async def test_each_order_has_its_own_page(self, subject: PaymentsSubject) -> None:
        first, second = await subject.open(), await subject.open()
        assert first.checkout_id != second.checkout_id
        assert first.checkout_url != second.checkout_url

    async def test_after_a_lost_answer_the_page_is_found_again(self, subject: PaymentsSubject) -> None:
        order = subject.order()
        subject.lose_answer()
        with pytest.raises(Unknown):
            await subject.gateway.open_checkout(order)
        again = await subject.open(order)
        assert await subject.open(order) == again
        assert (await subject.charged(again)).money == order.price

    async def test_a_provider_that_does_nothing_is_unavailable(self, subject: PaymentsSubject) -> None:
        subject.be_down()
        with pytest.raises(Unavailable):
            await subject.gateway.open_checkout(subject.order())

    async def test_a_payment_is_told_with_its_order_and_money(self, subject: PaymentsSubject) -> None:
        order = await subject.open(subject.order(Money(amount=49900, currency="RUB")))
        event = await subject.charged(order)
        assert (event.provider, event.happening) == (subject.provider, Happening.CHARGED)
        assert (event.order_id, event.money) == (order.id, order.price)
        assert abs(event.at - subject.now()) < timedelta(minutes=1)
        assert event.at.utcoffset() == timedelta()

    async def test_the_same_webhook_says_the_same(self, subject: PaymentsSubject) -> None:
        webhook = await subject.pay(await subject.open())
        assert subject.read(webhook) == subject.read(webhook)

    async def test_money_that_does_not_fit_is_passed_on_as_it_is(self, subject: PaymentsSubject) -> None:
        order = await subject.open()
        assert subject.read(await subject.pay(order, amount=1)).money == Money(amount=1, currency="USD")

    async def test_a_page_that_died_is_told(self, subject: PaymentsSubject) -> None:
        order = await subject.open()
        event = subject.read(await subject.expire(order))
        assert (event.happening, event.order_id, event.external_id) == (Happening.EXPIRED, order.id, order.checkout_id)

    @pytest.mark.parametrize(
        ("won", "happening"),
        [(None, Happening.DISPUTED), (True, Happening.DISPUTE_WON), (False, Happening.DISPUTE_LOST)],
    )
    async def test_a_dispute_names_its_charge(
        self,
        subject: PaymentsSubject,
        won: bool | None,  # noqa: FBT001 (a parameter of the test)
        happening: Happening,
    ) -> None:
        order = await subject.open()
        charge = await subject.charged(order)
        event = subject.read(await subject.dispute(order, won=None))
        if won is not None:
            opened, event = event, subject.read(await subject.dispute(order, won=won))
            assert event.external_id == opened.external_id
            assert event.event_id != opened.event_id
        assert (event.happening, event.charge_id, event.money) == (happening, charge.external_id, order.price)

    async def test_what_is_of_no_concern_is_nothing(self, subject: PaymentsSubject) -> None:
        assert subject.gateway.parse_webhook(*subject.sign(subject.foreign)) is None

    async def test_an_unsigned_body_is_refused(self, subject: PaymentsSubject) -> None:
        body, _ = await subject.pay(await subject.open())
        with pytest.raises(InvalidSignature):
            subject.gateway.parse_webhook(body, {})

    async def test_a_body_signed_by_somebody_else_is_refused(self, subject: PaymentsSubject) -> None:
        body, _ = await subject.pay(await subject.open())
        with pytest.raises(InvalidSignature):
            subject.gateway.parse_webhook(*subject.forge(body))

    async def test_an_altered_body_is_refused(self, subject: PaymentsSubject) -> None:
        body, headers = await subject.pay(await subject.open())
        for altered in (body + b" ", body.replace(b"499", b"498"), json.dumps(json.loads(body), indent=1).encode()):
            with pytest.raises(InvalidSignature):
                subject.gateway.parse_webhook(altered, headers)

    @pytest.mark.parametrize("seconds", [302, 86400, -302, -86400])
    async def test_an_old_or_future_signature_is_refused(self, subject: PaymentsSubject, seconds: int) -> None:
        with pytest.raises(InvalidSignature):
            subject.gateway.parse_webhook(*subject.sign(subject.foreign, timedelta(seconds=seconds)))

    @pytest.mark.parametrize("seconds", [290, -290])
    async def test_clocks_may_differ_a_little(self, subject: PaymentsSubject, seconds: int) -> None:
        assert subject.gateway.parse_webhook(*subject.sign(subject.foreign, timedelta(seconds=seconds))) is None

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"1e999", b"{", b'"x"', b"[" * 100_000])
    async def test_signed_nonsense_is_malformed(self, subject: PaymentsSubject, body: bytes) -> None:
        with pytest.raises(MalformedEvent):
            subject.gateway.parse_webhook(*subject.sign(body))

    async def test_an_open_page_says_nothing(self, subject: PaymentsSubject) -> None:
        assert await subject.gateway.fetch(await subject.open()) is None

    async def test_an_order_without_a_page_says_nothing(self, subject: PaymentsSubject) -> None:
        assert await subject.gateway.fetch(subject.order()) is None

    async def test_a_payment_is_the_one_that_the_webhook_tells(self, subject: PaymentsSubject) -> None:
        order = await subject.open()
        told = await subject.charged(order)
        first, second = await subject.gateway.fetch(order), await subject.gateway.fetch(order)
        assert first is not None
        assert second is not None
        assert first.event_id == second.event_id
        assert replace(first, event_id=told.event_id, at=told.at, charge_id=told.charge_id) == told

    async def test_a_dead_page_is_expired(self, subject: PaymentsSubject) -> None:
        order = await subject.open()
        await subject.expire(order)
        event = await subject.gateway.fetch(order)
        assert event is not None
        assert (event.happening, event.order_id) == (Happening.EXPIRED, order.id)

    async def test_what_webhooks_tell_is_listed_newest_first(self, subject: PaymentsSubject) -> None:
        began, order = subject.now(), await subject.open()
        told = [subject.read(await subject.pay(order)), subject.read(await subject.dispute(order, won=None))]
        told.append(subject.read(await subject.dispute(order, won=True)))
        listed = await subject.list(began)
        mine = [event for event in listed if event.event_id in {one.event_id for one in told}]
        assert mine == told[::-1]

    async def test_a_page_that_died_and_money_that_went_back_are_listed(self, subject: PaymentsSubject) -> None:
        began, order, other = subject.now(), await subject.open(), await subject.open()
        await subject.expire(other)
        charge = (await subject.charged(order)).external_id
        refund = await subject.gateway.refund(order, charge, order.price, attempt="1")
        listed = {(event.happening, event.external_id) for event in await subject.list(began)}
        assert {(Happening.EXPIRED, other.checkout_id), (Happening.REFUNDED, refund.external_id)} <= listed

    async def test_only_the_time_that_is_asked_for_is_listed(self, subject: PaymentsSubject) -> None:
        charge = await subject.charged(await subject.open())
        before, after = timedelta(hours=-1), timedelta(seconds=2)
        for since, until in ((before, timedelta(seconds=-2)), (after, timedelta(hours=1))):
            page = await subject.gateway.told(charge.at + since, charge.at + until)
            assert charge.event_id not in {event.event_id for event in page.events}

    async def test_a_list_that_does_not_come_is_unavailable(self, subject: PaymentsSubject) -> None:
        subject.be_down()
        with pytest.raises(Unavailable):
            await subject.list(subject.now())

    async def test_money_goes_back_once_per_attempt(self, subject: PaymentsSubject) -> None:
        order = await subject.open()
        charge = (await subject.charged(order)).external_id
        part = Money(amount=100, currency="USD")
        first = await subject.gateway.refund(order, charge, part, attempt="499")
        again = await subject.gateway.refund(order, charge, part, attempt="499")
        other = await subject.gateway.refund(order, charge, part, attempt="399")
        assert (first.happening, first.charge_id, first.money) == (Happening.REFUNDED, charge, part)
        assert (first.order_id, first.external_id, first.event_id) == (order.id, again.external_id, again.event_id)
        assert other.external_id != first.external_id

    async def test_no_more_goes_back_than_came(self, subject: PaymentsSubject) -> None:
        order = await subject.open()
        charge = (await subject.charged(order)).external_id
        with pytest.raises(Rejected):
            await subject.gateway.refund(order, charge, Money(amount=500, currency="USD"), attempt="1")
        await subject.gateway.refund(order, charge, order.price, attempt="2")
        with pytest.raises(Rejected):
            await subject.gateway.refund(order, charge, Money(amount=1, currency="USD"), attempt="3")

    async def test_what_was_not_paid_cannot_go_back(self, subject: PaymentsSubject) -> None:
        order = await subject.open()
        with pytest.raises(Rejected):
            await subject.gateway.refund(order, f"pi_{uuid4().hex}", order.price, attempt="1")
