"""The contract of the payments port, over the gateway in memory and Stripe's adapter against a local Stripe."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.adapters.payments.served import CLOCK, WEBHOOK_SECRET, ServedStripe, gateway_to, serve_stripe

from veilbot_adapters.memory import MemoryGateway
from veilbot_adapters.testing.payments import PaymentsContract, PaymentsSubject, Webhook
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Provider
from veilbot_core.ports.payments import PaymentGateway
from veilbot_runners.sandbox.stripe import Trouble
from veilbot_runners.sandbox.stripe_webhooks import signature


class MemoryDesk(PaymentsSubject):
    provider = Provider.STRIPE
    foreign = b'{"happening": "weather"}'

    def __init__(self) -> None:
        self.gateway: MemoryGateway = MemoryGateway(CLOCK)

    def now(self) -> datetime:
        return CLOCK.now()

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


class StripeDesk(PaymentsSubject):
    provider = Provider.STRIPE
    foreign = b'{"id": "evt_1", "object": "event", "created": 1, "type": "customer.created", "data": {"object": {}}}'

    def __init__(self, gateway: PaymentGateway, served: ServedStripe) -> None:
        self.gateway = gateway
        self.served = served

    async def _told(self, path: str, **options: object) -> Webhook:
        before = len(self.served.heard)
        await self.served.act(path, **options)
        return self.served.heard[before]

    def now(self) -> datetime:
        return CLOCK.now()

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


class TestMemory(PaymentsContract):
    @pytest.fixture
    def subject(self) -> PaymentsSubject:
        return MemoryDesk()


class TestStripe(PaymentsContract):
    @pytest.fixture
    async def subject(self, served: ServedStripe) -> AsyncIterator[PaymentsSubject]:
        async with gateway_to(served.api_base) as gateway:
            yield StripeDesk(gateway, served)
