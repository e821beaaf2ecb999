"""Calls to Stripe, against a local one over HTTP: what is sent, and what each failure means."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from tests.adapters.payments.served import (
    CLOCK,
    ServedStripe,
    an_order,
    gateway_to,
)

from veilbot_adapters.payments.stripe import StripeGateway, closes_at
from veilbot_adapters.resilience import Limits
from veilbot_core.domain.errors import Rejected, Unknown
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Happening
from veilbot_runners.sandbox.stripe import Trouble

IMPATIENT = Limits(attempts=1, timeout=0.1)


async def opened(gateway: StripeGateway, order: Order) -> Order:
    page = await gateway.open_checkout(order)
    return order.offer(page.checkout_id, page.url)


async def paid(gateway: StripeGateway, served: ServedStripe, order: Order) -> tuple[Order, str]:
    order = await opened(gateway, order)
    shown = await served.act(f"/sessions/{order.checkout_id}/pay")
    return order, shown["payment_intent"]


class TestWhatIsSent:
    async def test_the_page_takes_the_orders_price_and_names_the_order(
        self, gateway: StripeGateway, served: ServedStripe
    ) -> None:
        order = an_order(Money(amount=49900, currency="RUB"), name="Свобода & <b>")
        page = await gateway.open_checkout(order)
        session = served.sandbox.books.session(page.checkout_id)
        named = {"order_id": str(order.id)}
        assert (session.product, session.currency, session.amount) == ("Свобода & <b>", "rub", 49900)
        assert (session.reference, session.metadata, session.intent_metadata) == (str(order.id), named, named)
        assert session.expires_at == int(order.expires_at.timestamp())
        assert page.url == f"{served.url}/sandbox/stripe/pay/{page.checkout_id}"

    @pytest.mark.parametrize(
        ("price", "sent"),
        [
            (Money(amount=500, currency="JPY"), 500),
            (Money(amount=5, currency="UGX"), 500),
            (Money(amount=5, currency="ISK"), 500),
            (Money(amount=50000, currency="MGA"), 500),
            (Money(amount=1230, currency="KWD"), 1230),
        ],
    )
    async def test_every_currency_comes_back_as_it_was(
        self, gateway: StripeGateway, served: ServedStripe, price: Money, sent: int
    ) -> None:
        order, _ = await paid(gateway, served, an_order(price))
        assert served.sandbox.books.session(str(order.checkout_id)).amount == sent
        event = await gateway.fetch(order)
        assert event is not None
        assert event.money == price

    @pytest.mark.parametrize(
        "price",
        [Money(amount=1234, currency="KWD"), Money(amount=550, currency="MGA"), Money(amount=0, currency="USD")],
    )
    async def test_a_price_that_stripe_cannot_take_is_refused_before_the_call(
        self, gateway: StripeGateway, served: ServedStripe, price: Money
    ) -> None:
        before = len(served.sandbox.books.sessions)
        with pytest.raises(Rejected):
            await gateway.open_checkout(an_order(price))
        assert len(served.sandbox.books.sessions) == before

    @pytest.mark.parametrize(
        ("ttl", "stays"),
        [
            (timedelta(minutes=1), timedelta(minutes=35)),
            (timedelta(minutes=40), timedelta(minutes=40)),
            (timedelta(hours=1), timedelta(hours=1)),
            (timedelta(days=3), timedelta(hours=23, minutes=55)),
        ],
    )
    async def test_the_page_closes_with_the_order_as_far_as_stripe_allows(
        self, gateway: StripeGateway, ttl: timedelta, stays: timedelta
    ) -> None:
        order = an_order(ttl=ttl)
        assert closes_at(order) - order.created_at == stays
        await gateway.open_checkout(order)

    async def test_many_at_once_open_one_page(self, gateway: StripeGateway) -> None:
        order = an_order()
        pages = await asyncio.gather(*(gateway.open_checkout(order) for _ in range(8)))
        assert len(set(pages)) == 1


class TestLostAnswers:
    @pytest.mark.parametrize("trouble", [Trouble.LOST, Trouble.NONSENSE])
    async def test_the_guard_calls_again_and_there_is_one_page(self, served: ServedStripe, trouble: Trouble) -> None:
        before = len(served.sandbox.books.sessions)
        served.sandbox.troubles.append(trouble)
        async with gateway_to(served.api_base, limits=Limits(attempts=2, backoff=0.01)) as gateway:
            await gateway.open_checkout(an_order())
        assert len(served.sandbox.books.sessions) == before + 1

    async def test_after_a_timeout_the_same_page_is_found(self, served: ServedStripe) -> None:
        order = an_order()
        before = len(served.sandbox.books.sessions)
        served.sandbox.troubles.append(Trouble.SLOW)
        async with gateway_to(served.api_base, limits=IMPATIENT) as gateway:
            with pytest.raises(Unknown):
                await gateway.open_checkout(order)
        async with gateway_to(served.api_base) as gateway:
            await gateway.open_checkout(order)
        assert len(served.sandbox.books.sessions) == before + 1

    async def test_a_refund_is_made_once_even_when_stripe_forgot_the_key(
        self, gateway: StripeGateway, served: ServedStripe
    ) -> None:
        order, charge = await paid(gateway, served, an_order())
        part = Money(amount=200, currency="USD")
        served.sandbox.troubles.extend([Trouble.LATER, Trouble.LOST])
        with pytest.raises(Unknown):
            await gateway.refund(order, charge, part, attempt="499")
        served.sandbox.api.forget()
        await gateway.refund(order, charge, part, attempt="499")
        assert [r.amount for r in served.sandbox.books.refunds.values() if r.intent_id == charge] == [200]


class TestMoneyOnItsWay:
    async def test_delayed_money_that_arrives(self, gateway: StripeGateway, served: ServedStripe) -> None:
        order = await opened(gateway, an_order())
        await served.act(f"/sessions/{order.checkout_id}/pay", delayed=True)
        assert gateway.parse_webhook(*served.heard[-1]) is None
        processing = await gateway.fetch(order)
        assert processing is not None
        assert (processing.happening, processing.order_id) == (Happening.PROCESSING, order.id)
        await served.act(f"/sessions/{order.checkout_id}/settle")
        event = gateway.parse_webhook(*served.heard[-1])
        assert event is not None
        assert (event.happening, event.money) == (Happening.CHARGED, order.price)

    async def test_delayed_money_that_does_not(self, gateway: StripeGateway, served: ServedStripe) -> None:
        order = await opened(gateway, an_order())
        await served.act(f"/sessions/{order.checkout_id}/pay", delayed=True)
        await served.act(f"/sessions/{order.checkout_id}/settle", succeeded=False)
        event = gateway.parse_webhook(*served.heard[-1])
        assert event is not None
        assert (event.happening, event.order_id, event.money) == (Happening.FAILED, order.id, None)
        asked = await gateway.fetch(order)
        assert asked is not None
        assert (asked.happening, asked.order_id, asked.external_id) == (Happening.FAILED, order.id, event.external_id)


class TestRefunds:
    async def test_one_that_does_not_arrive_is_told_and_made_anew_under_another_key(
        self, gateway: StripeGateway, served: ServedStripe
    ) -> None:
        order, charge = await paid(gateway, served, an_order())
        first = await gateway.refund(order, charge, order.price, attempt="499")
        await served.told(2)
        served.heard.clear()
        await served.act(f"/refunds/{first.external_id}/fail")
        told = gateway.parse_webhook(*(await served.told(1))[0])
        assert told is not None
        assert (told.happening, told.external_id, told.charge_id) == (
            Happening.REFUND_FAILED,
            first.external_id,
            charge,
        )
        with pytest.raises(Rejected):
            await gateway.refund(order, charge, order.price, attempt="499")
        again = await gateway.refund(order, charge, order.price, attempt="499-1")
        assert again.external_id != first.external_id

    async def test_the_webhook_tells_of_the_same_refund(self, gateway: StripeGateway, served: ServedStripe) -> None:
        order, charge = await paid(gateway, served, an_order())
        served.heard.clear()
        done = await gateway.refund(order, charge, order.price, attempt="499")
        told = gateway.parse_webhook(*(await served.told(1))[0])
        assert told is not None
        assert told.external_id == done.external_id
        assert (told.happening, told.order_id, told.charge_id) == (Happening.REFUNDED, order.id, charge)
        assert done.event_id == f"refund-{done.external_id}"

    @pytest.mark.parametrize("status", ["pending", "requires_action", "succeeded"])
    async def test_a_refund_under_way_counts(self, gateway: StripeGateway, served: ServedStripe, status: str) -> None:
        order, charge = await paid(gateway, served, an_order())
        done = await gateway.refund(order, charge, order.price, attempt="1")
        served.sandbox.books.refunds[done.external_id].status = status
        assert (await gateway.refund(order, charge, order.price, attempt="1")).external_id == done.external_id

    async def test_a_refund_that_failed_needs_a_person(self, gateway: StripeGateway, served: ServedStripe) -> None:
        order, charge = await paid(gateway, served, an_order())
        done = await gateway.refund(order, charge, order.price, attempt="1")
        served.sandbox.books.refunds[done.external_id].status = "failed"
        with pytest.raises(Rejected):
            await gateway.refund(order, charge, order.price, attempt="1")


def test_importing_the_package_imports_no_stripe() -> None:
    program = "import sys, veilbot_adapters.payments; sys.exit('stripe' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=600).returncode == 0


def test_closing_is_a_function_of_the_order_alone() -> None:
    order = an_order(now=datetime(2026, 1, 1, tzinfo=UTC))
    assert closes_at(order) == closes_at(order.offer("cs_1", "http://127.0.0.1:1")) == order.expires_at


class TestWhatStripeTold:
    async def test_more_than_one_page_is_read_to_its_end(self, gateway: StripeGateway, served: ServedStripe) -> None:
        books = served.sandbox.books
        before = set(books.events)
        for _ in range(120):
            order = await opened(gateway, an_order())
            books.pay(str(order.checkout_id))
        made = [event_id for event_id in books.events if event_id not in before]
        soon, found, pages, after = CLOCK.now() + timedelta(minutes=1), list[str](), 0, None
        while pages == 0 or after is not None:
            page = await gateway.told(CLOCK.now() - timedelta(minutes=5), soon, after=after)
            found, pages, after = [*found, *(event.event_id for event in page.events)], pages + 1, page.more
        assert found[:120] == made[::-1]
        assert pages >= 2

    async def test_what_is_of_no_concern_or_unreadable_spoils_nothing(
        self, gateway: StripeGateway, served: ServedStripe
    ) -> None:
        books = served.sandbox.books
        order, intent = await paid(gateway, served, an_order())
        served.sandbox.books.dispute(intent)
        odd = books.close_dispute(next(d.id for d in books.disputes.values() if d.intent_id == intent), "won")
        odd_id = json.loads(odd)["id"]
        books.events[odd_id] = odd.replace('"won"', "null")
        customer = json.loads(odd) | {"id": "evt_customer", "type": "customer.created"}
        books.events["evt_customer"] = json.dumps(customer)
        page = await gateway.told(CLOCK.now() - timedelta(minutes=1), CLOCK.now() + timedelta(minutes=1))
        assert odd_id in page.unreadable
        listed = [event for event in page.events if order.id == event.order_id or event.charge_id == intent]
        assert [event.happening for event in listed] == [Happening.DISPUTED, Happening.CHARGED]
        assert not {odd_id, "evt_customer"} & {event.event_id for event in page.events}
        del books.events[odd_id], books.events["evt_customer"]
