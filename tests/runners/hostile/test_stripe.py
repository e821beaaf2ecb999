"""Webhooks of Stripe that are broken, forged, old or about other money: nothing is granted, nothing is lost."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from tests.adapters.payments.bodies import an_event, signed
from tests.adapters.payments.test_stripe_events import malformed
from tests.contracts.storage.things import a_tariff, a_user, an_order
from tests.runners.hostile.conftest import STRIPE, STRIPE_OLD, Shop
from tests.waiting import PATIENCE

from veilbot_adapters.system import SystemClock
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider
from veilbot_core.ports.storage import UnitOfWork

CLOCK = SystemClock()
URL = "/webhooks/stripe"


async def ordered(shop: Shop, **changes: Any) -> Order:
    """Let somebody order; return what they would pay for."""
    user, tariff = a_user(), a_tariff()
    order = an_order(user, tariff, id=OrderId(uuid4()), expires_at=CLOCK.now().replace(year=9000), **changes)

    def work(uow: UnitOfWork) -> None:
        uow.users.add(user)
        uow.tariffs.add(tariff)
        uow.orders.add(order)

    await shop.application.storage.write(work)
    return order


def paid(order_id: object, **changes: Any) -> dict[str, Any]:
    """Return the event that pays for an order, with some fields changed."""
    number = uuid4().hex
    about = {"client_reference_id": str(order_id), "id": f"cs_{number}", "payment_intent": f"pi_{number}", **changes}
    return {**an_event(**about), "id": f"evt_{number}"}


async def send(shop: Shop, event: dict[str, Any], secret: str = STRIPE) -> tuple[int, Any]:
    answer = await shop.post(URL, *signed(secret, event, CLOCK))
    return answer.status_code, answer.json()


class TestNonsense:
    async def test_signed_or_not_it_is_refused_and_changes_nothing(self, shop: Shop) -> None:
        before, seen = shop.rows(), set()
        for text in malformed():
            body = text.encode("utf-8", "surrogatepass")
            for secret, code in ((STRIPE, "malformed_event"), ("whsec_somebody_elses", "invalid_signature")):
                answer = await shop.post(URL, *signed(secret, body, CLOCK))
                expected = (413, "too_large") if len(body) > 1 << 20 else (400, code)
                assert (answer.status_code, answer.json()["code"]) == expected, text[:200]
                assert answer.headers["content-type"] == "application/problem+json"
                seen.add((answer.status_code, answer.json()["code"]))
        assert len(seen) == 3
        assert shop.rows() == before

    @pytest.mark.parametrize("name", ["content-type", "content-encoding", "host", "expect", "upgrade"])
    async def test_headers_that_lie_change_nothing(self, shop: Shop, name: str) -> None:
        before = shop.rows()
        for value in ("", "gzip", "text/html", "evil.example", "100-continue", "h2c", "x" * 8000):
            body, headers = signed("whsec_somebody_elses", an_event(), CLOCK)
            answer = await shop.post(URL, body, {**headers, name: value})
            assert 400 <= answer.status_code < 500, (name, value)
        assert shop.rows() == before

    @pytest.mark.parametrize(
        "framing",
        [
            b"Content-Length: -1\r\n\r\n{}",
            b"Content-Length: 99999999999999999999999\r\n\r\n{}",
            b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: gzip\r\n\r\n{}",
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
            b"Content-Length: 50\r\n\r\nhalf",
            b"X" * 100_000,
        ],
        ids=range(9),
    )
    async def test_a_body_of_no_clear_length_is_refused(self, shop: Shop, framing: bytes) -> None:
        before = shop.rows()
        reader, writer = await asyncio.open_connection(shop.http.base_url.host, shop.http.base_url.port)
        writer.write(b"POST /webhooks/stripe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + framing)
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read(65_536)
        writer.close()
        assert not answer or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413")), answer[:200]
        assert shop.rows() == before


class TestAuthenticity:
    async def test_who_cannot_sign_is_not_heard(self, shop: Shop) -> None:
        event = paid((await ordered(shop)).id)
        body, good = signed(STRIPE, event, CLOCK)
        header = good["stripe-signature"]
        forged: list[tuple[bytes, dict[str, str]]] = [
            (body, {}),
            signed("", body, CLOCK),
            signed("whsec_wrong", body, CLOCK),
            (json.dumps(event, indent=1).encode(), good),
            (body + b" ", good),
            (body.replace(b"499", b"498"), good),
            signed(STRIPE, body, CLOCK, ago=302),
            signed(STRIPE, body, CLOCK, ago=-303),
            (body, {"stripe-signature": header.replace("v1=", "v0=")}),
            (body, {"stripe-signature": header.partition(",")[0]}),
            (body, {"stripe-signature": header.upper()}),
            (body, {"x-stripe-signature": header}),
            (body, {"x-forwarded-for": "3.18.12.63", "x-real-ip": "3.18.12.63", "forwarded": "for=3.18.12.63"}),
            (body, {"x-forwarded-host": "api.stripe.com", "authorization": "Bearer whsec", "user-agent": "Stripe/1.0"}),
            (body, {"x-http-method-override": "GET", "x-original-url": "/healthz"}),
        ]
        before = shop.rows()
        for number, (raw, headers) in enumerate(forged):
            answer = await shop.post(URL, raw, headers)
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_signature"), number
        assert shop.rows() == before

    @pytest.mark.parametrize("secret", [STRIPE, STRIPE_OLD])
    async def test_both_secrets_count_while_they_rotate_and_a_replay_changes_nothing(
        self, shop: Shop, secret: str
    ) -> None:
        order = await ordered(shop)
        event = paid(order.id)
        assert await send(shop, event, secret) == (200, {"receipt": "accepted"})
        after = shop.rows()
        assert await send(shop, event, secret) == (200, {"receipt": "duplicate"})
        assert await send(shop, {**event, "id": f"evt_{uuid4().hex}"}, STRIPE) == (200, {"receipt": "duplicate"})
        assert {**shop.rows(), "inbox": []} == {**after, "inbox": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Money that differs, and what is said of it."""

    name: str
    note: str
    changes: dict[str, Any]
    envelope: dict[str, Any]


def a_case(name: str, note: str, envelope: dict[str, Any] | None = None, **changes: Any) -> Case:
    return Case(name=name, note=note, changes=changes, envelope=envelope or {})


DIFFERENT = [
    a_case("a cent less", "paid 4.98 USD, ordered for 4.99 USD", amount_total=498),
    a_case("a cent more", "paid 5.00 USD, ordered for 4.99 USD", amount_total=500),
    a_case("nothing", "paid 0.00 USD, ordered for 4.99 USD", amount_total=0),
    a_case("too much", "paid 10000000000000.00 USD, ordered for 4.99 USD", amount_total=10**15),
    a_case("a part", "paid 2.50 USD, ordered for 4.99 USD", amount_total=250),
    a_case("another currency", "paid 4.99 EUR, ordered for 4.99 USD", currency="eur"),
    a_case("a cheap currency", "paid 499 JPY, ordered for 4.99 USD", currency="jpy"),
    a_case("live money", "live money, and the shop's key is for tests", {"livemode": True}),
]


class TestOtherMoney:
    @pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: case.name)
    async def test_it_is_held_with_its_order(self, shop: Shop, case: Case) -> None:
        order = await ordered(shop)
        event = paid(order.id, **case.changes) | case.envelope
        assert await send(shop, event) == (200, {"receipt": "held"})
        assert await self._held(shop, event) == (order.id, case.note)
        after = await shop.application.checkout.get(order.id)
        assert (after.status, after.note) == (OrderStatus.HELD, case.note)
        assert await send(shop, paid(order.id)) == (200, {"receipt": "held"})
        assert shop.rows()["grants"] == shop.rows()["keys"] == []

    @pytest.mark.parametrize("reference", ["", "somebody else's", str(uuid4()), "x" * 5000])
    async def test_money_for_no_order_of_ours_is_held(self, shop: Shop, reference: str) -> None:
        event = paid(reference, metadata={"shop": "another"})
        assert await send(shop, event) == (200, {"receipt": "held"})
        assert await self._held(shop, event) == (None, "no such order")

    async def test_money_under_another_orders_name_is_held(self, shop: Shop) -> None:
        cheap, dear = await ordered(shop), await ordered(shop, price=Money(amount=99900, currency="USD"))
        event = paid(dear.id, metadata={"order_id": str(cheap.id)})
        assert await send(shop, event) == (200, {"receipt": "held"})
        assert (await shop.application.checkout.get(dear.id)).status is OrderStatus.HELD
        assert (await shop.application.checkout.get(cheap.id)).status is OrderStatus.PENDING

    @pytest.mark.parametrize("changes", [{"amount_total": -499}, {"amount_total": 10**15 + 1}, {"amount_total": "499"}])
    async def test_what_is_no_money_changes_nothing(self, shop: Shop, changes: dict[str, Any]) -> None:
        event = paid((await ordered(shop)).id, **changes)
        before = shop.rows()
        assert (await send(shop, event))[0] == 400
        assert shop.rows() == before

    async def _held(self, shop: Shop, event: dict[str, Any]) -> tuple[object, str]:
        """Return the order and the note of what was held."""
        intent = event["data"]["object"]["payment_intent"]

        def look(uow: UnitOfWork) -> Payment | None:
            return uow.payments.find(Provider.STRIPE, PaymentKind.CHARGE, intent)

        payment = await shop.application.storage.read(look)
        assert payment is not None
        assert payment.status is PaymentStatus.HELD
        alerts = [job[2:4] for job in shop.rows()["jobs"] if job[1] == "alert"]
        told = {(payment.id.hex, "payment.held")}
        if payment.order_id is not None:
            told.add((payment.order_id.hex, "order.held"))
        assert len(told & set(alerts)) == 1, "an operator hears of it, once"
        return payment.order_id, payment.note
