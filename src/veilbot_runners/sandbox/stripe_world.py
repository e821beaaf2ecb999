"""The local Stripe itself: books, an API over them, webhooks out of them, and the customer's and the bank's hands."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from veilbot_runners.sandbox.stripe_api import StripeApi
from veilbot_runners.sandbox.stripe_books import StripeBooks
from veilbot_runners.sandbox.stripe_forms import StripeRefusal
from veilbot_runners.sandbox.stripe_webhooks import WebhookSender

PREFIX = "/sandbox/stripe"


class Delivery(StrEnum):
    """What becomes of a webhook."""

    SEND = "send"
    DROP = "drop"
    """Never sent; it is in the list of events all the same."""
    TWICE = "twice"
    """Two at once."""
    LATE = "late"


class Trouble(StrEnum):
    """What may go wrong with a call of the API."""

    LATER = "later"
    """Nothing goes wrong with this call; the next trouble is for the next call."""
    BUSY = "busy"
    """429, nothing happens."""
    CONFLICT = "conflict"
    """409: the same idempotency key is at work."""
    BROKEN = "broken"
    """500, nothing happens."""
    LOST = "lost"
    """It happens, and the connection breaks before the answer."""
    SLOW = "slow"
    """It happens, and the answer comes after ``StripeSandbox.slowness`` seconds."""
    NONSENSE = "nonsense"
    """It happens, and the answer is not JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """How a customer pays."""

    webhook: Delivery = Delivery.SEND
    amount: int | None = None
    """Other money than the page asks for."""
    delayed: bool = False
    """A method whose money arrives or fails later."""


class StripeSandbox:
    """Stripe on this machine, for the demo, the tests and the benchmarks; an async context.

    Args:
        secret_key: what API calls must carry.
        webhook_secret: signs the webhooks.
        webhook_url: where they go; may be changed at any time.
        public_url: where its pages are seen, without a slash at the end.
        now: seconds since 1970.
        first_wait: seconds before a webhook that nobody took is sent again; doubles up to half a minute.
    """

    def __init__(
        self,
        secret_key: str,
        webhook_secret: str,
        webhook_url: str,
        public_url: str,
        *,
        now: Callable[[], float] = time.time,
        first_wait: float = 0.5,
    ) -> None:
        self.troubles: deque[Trouble] = deque()
        """What goes wrong with the coming calls of the API."""
        self.late = 3.0
        """Seconds that a `Delivery.LATE` webhook waits."""
        self.slowness = 1.0
        """Seconds that a `Trouble.SLOW` answer waits."""
        self.books = StripeBooks(f"{public_url.rstrip('/')}{PREFIX}/pay", now)
        self.webhooks = WebhookSender(webhook_secret, webhook_url, now, first_wait)
        self.api = StripeApi(secret_key, self.books, self.webhooks.send_soon)

    async def __aenter__(self) -> Self:
        """Open."""
        await self.webhooks.__aenter__()
        self.webhooks.start(self._close_checkouts())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sending."""
        await self.webhooks.__aexit__(kind, error, trace)

    async def pay(self, session_id: str, payment: Payment) -> dict[str, Any]:
        """Let the customer pay and tell the shop; return what they see."""
        event = self.books.pay(session_id, amount=payment.amount, delayed=payment.delayed)
        return await self._told(session_id, event, payment.webhook)

    async def settle(self, session_id: str, *, succeeded: bool) -> dict[str, Any]:
        """Let delayed money arrive or fail."""
        return await self._told(session_id, self.books.settle(session_id, succeeded=succeeded), Delivery.SEND)

    async def expire(self, session_id: str, webhook: Delivery = Delivery.SEND) -> dict[str, Any]:
        """Close an open checkout."""
        return await self._told(session_id, self.books.expire(session_id), webhook)

    async def fail_refund(self, refund_id: str) -> dict[str, Any]:
        """Let money that went back not arrive."""
        status = await self.deliver(self.books.fail_refund(refund_id), Delivery.SEND)
        return {**self.books.refunds[refund_id].shown(), "webhook": {"status": status}}

    async def dispute(self, intent_id: str) -> dict[str, Any]:
        """Let the customer's bank claim the money back."""
        status = await self.deliver(self.books.dispute(intent_id), Delivery.SEND)
        dispute = list(self.books.disputes.values())[-1]
        await self.deliver(self.books.withdraw(dispute.id), Delivery.SEND)
        return {**dispute.shown(), "webhook": {"status": status}}

    async def close_dispute(self, dispute_id: str, outcome: str) -> dict[str, Any]:
        """End a dispute: ``won`` or ``lost``."""
        status = await self.deliver(self.books.close_dispute(dispute_id, outcome), Delivery.SEND)
        return {**self.books.disputes[dispute_id].shown(), "webhook": {"status": status}}

    async def deliver(self, event: str, how: Delivery) -> int | None:
        """Tell the shop of an event; return the status of the first try, None if there was none."""
        match how:
            case Delivery.DROP:
                return None
            case Delivery.LATE:
                self.webhooks.send_soon(event, self.late)
                return None
            case Delivery.TWICE:
                first, _ = await asyncio.gather(self.webhooks.send(event), self.webhooks.send(event))
                return first
            case Delivery.SEND:
                return await self.webhooks.send(event)

    async def _told(self, session_id: str, event: str, how: Delivery) -> dict[str, Any]:
        status = await self.deliver(event, how)
        session = self.books.session(session_id)
        return {
            "id": session.id,
            "status": session.status,
            "payment_status": session.payment_status,
            "payment_intent": session.intent_id,
            "webhook": {"status": status},
        }

    async def _close_checkouts(self) -> None:
        while True:
            await asyncio.sleep(1)
            for event in self.books.expire_due():
                self.webhooks.send_soon(event)


def read_payment(given: object) -> Payment:
    """Read the options of a payment from JSON."""
    if not isinstance(given, dict) or not given.keys() <= {"webhook", "amount", "delayed"}:
        raise StripeRefusal('The options are {"webhook": "send|drop|twice|late", "amount": 100, "delayed": false}.')
    amount, delayed = given.get("amount"), given.get("delayed", False)
    if isinstance(amount, bool) or not isinstance(amount, int | None) or (amount or 0) < 0:
        raise StripeRefusal("amount is a whole number of minor units.", param="amount")
    if not isinstance(delayed, bool):
        raise StripeRefusal("delayed is true or false.", param="delayed")
    return Payment(webhook=read_delivery(given), amount=amount, delayed=delayed)


def read_delivery(given: object) -> Delivery:
    """Read what shall become of a webhook."""
    name = given.get("webhook", Delivery.SEND) if isinstance(given, dict) else None
    if not isinstance(name, str) or name not in set(Delivery):
        raise StripeRefusal("webhook is send, drop, twice or late.", param="webhook")
    return Delivery(name)
