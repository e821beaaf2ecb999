"""The books of the local Stripe: what happens to checkouts and money, and the events that tell of it."""

import heapq
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, TypeVar

from veilbot_runners.sandbox.stripe_forms import (
    Form,
    StripeRefusal,
    address,
    inner,
    line_items,
    metadata,
    missing,
    number,
    only,
    text,
)
from veilbot_runners.sandbox.stripe_things import Dispute, Intent, Refund, Session, Shown

T = TypeVar("T")
API_VERSION = "2026-10-28.endive"
_NEVER = 1 << 40
_KEPT = 20_000
"""Events that are remembered; Stripe remembers them for 30 days."""
_SESSION_PARAMS = (
    *("mode", "client_reference_id", "metadata", "payment_intent_data", "line_items", "expires_at", "success_url"),
    *("cancel_url", "customer_email", "locale", "payment_method_types", "submit_type"),
)


class StripeBooks:
    """Everything in memory; each step returns the event that it makes, for somebody to send."""

    def __init__(self, page_url: str, now: Callable[[], float]) -> None:
        self.sessions: dict[str, Session] = {}
        self.intents: dict[str, Intent] = {}
        self.refunds: dict[str, Refund] = {}
        self.disputes: dict[str, Dispute] = {}
        self.events: OrderedDict[str, str] = OrderedDict()
        self._page_url = page_url
        self._now = now
        self._closing: list[tuple[int, str]] = []

    def open(self, form: Form) -> Session:
        """Make a checkout page."""
        only(form, *_SESSION_PARAMS)
        if text(form, "mode") != "payment":
            raise StripeRefusal("Invalid mode: this sandbox takes only payment", param="mode")
        now = int(self._now())
        product, currency, amount = line_items(form)
        expires_at = number(form, "expires_at", now + 86400)
        if not now + 1800 <= expires_at <= now + 86400:
            raise StripeRefusal(
                "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
                param="expires_at",
            )
        session_id = _id("cs_test_", 24)
        session = Session(
            id=session_id,
            product=product,
            currency=currency,
            amount=amount,
            reference=text(form, "client_reference_id", "") or None,
            metadata=metadata(form),
            intent_metadata=metadata(inner(form, "payment_intent_data")),
            success_url=address(form, "success_url"),
            cancel_url=address(form, "cancel_url"),
            url=f"{self._page_url}/{session_id}",
            created=now,
            expires_at=expires_at,
        )
        self.sessions[session_id] = session
        heapq.heappush(self._closing, (expires_at, session_id))
        return session

    def pay(self, session_id: str, *, amount: int | None = None, delayed: bool = False) -> str:
        """Let the customer pay; ``delayed`` money arrives or fails later, see `settle`."""
        session = self._open_session(session_id)
        session.amount = session.amount if amount is None else amount
        intent = Intent(
            id=_id("pi_", 12),
            charge_id=_id("ch_", 12),
            amount=session.amount,
            currency=session.currency,
            metadata=session.intent_metadata,
            created=int(self._now()),
            status="processing" if delayed else "succeeded",
        )
        self.intents[intent.id] = intent
        session.intent_id, session.status = intent.id, "complete"
        session.payment_status = "unpaid" if delayed else "paid"
        return self._event("checkout.session.completed", session.shown())

    def settle(self, session_id: str, *, succeeded: bool) -> str:
        """Let delayed money arrive or fail."""
        session = self.session(session_id)
        if session.status != "complete" or session.payment_status == "paid" or session.intent_id is None:
            raise StripeRefusal("This checkout is not waiting for its money.", status=409)
        intent = self.intents[session.intent_id]
        if succeeded:
            intent.status = "succeeded"
            session.payment_status = "paid"
            return self._event("checkout.session.async_payment_succeeded", session.shown())
        intent.status = "requires_payment_method"
        return self._event("checkout.session.async_payment_failed", session.shown())

    def expire(self, session_id: str) -> str:
        """Close an open checkout."""
        session = self._open_session(session_id)
        session.status = "expired"
        return self._event("checkout.session.expired", session.shown())

    def expire_due(self) -> list[str]:
        """Close the checkouts whose time is over."""
        made = []
        while self._closing and self._closing[0][0] <= self._now():
            _, session_id = heapq.heappop(self._closing)
            if self.sessions[session_id].status == "open":
                made.append(self.expire(session_id))
        return made

    def refund(self, form: Form) -> tuple[Refund, str]:
        """Send money back."""
        only(form, "payment_intent", "amount", "metadata", "reason")
        intent_id = text(form, "payment_intent")
        intent = self.intents.get(intent_id)
        if intent is None or intent.status != "succeeded":
            raise StripeRefusal(
                f"No such payment_intent: '{intent_id}'", param="payment_intent", code="resource_missing"
            )
        left = intent.amount - intent.refunded
        if left <= 0:
            message = f"Charge {intent.charge_id} has already been refunded."
            raise StripeRefusal(message, code="charge_already_refunded")
        amount = number(form, "amount", left)
        if not 1 <= amount <= left:
            raise StripeRefusal(f"Refund amount is greater than unrefunded amount on charge ({left})", param="amount")
        refund = Refund(
            id=_id("re_", 12),
            intent_id=intent.id,
            charge_id=intent.charge_id,
            amount=amount,
            currency=intent.currency,
            created=int(self._now()),
            metadata=metadata(form),
        )
        intent.refunded += amount
        self.refunds[refund.id] = refund
        return refund, self._event("refund.created", refund.shown())

    def fail_refund(self, refund_id: str) -> str:
        """Let money that went back not arrive."""
        refund = self.refunds.get(refund_id)
        if refund is None:
            raise missing("refund", refund_id)
        if refund.status != "failed":
            refund.status = "failed"
            self.intents[refund.intent_id].refunded -= refund.amount
        return self._event("refund.failed", refund.shown())

    def dispute(self, intent_id: str) -> str:
        """Let the customer's bank claim the money back."""
        intent = self.intents.get(intent_id)
        if intent is None:
            raise missing("payment_intent", intent_id)
        dispute = Dispute(
            id=_id("du_", 12),
            intent_id=intent.id,
            charge_id=intent.charge_id,
            amount=intent.amount,
            currency=intent.currency,
            created=int(self._now()),
        )
        self.disputes[dispute.id] = dispute
        return self._event("charge.dispute.created", dispute.shown())

    def withdraw(self, dispute_id: str) -> str:
        """Take the money that a bank claims."""
        return self._event("charge.dispute.funds_withdrawn", self.disputes[dispute_id].shown())

    def close_dispute(self, dispute_id: str, status: str) -> str:
        """End a dispute: ``won`` or ``lost``."""
        dispute = self.disputes.get(dispute_id)
        if dispute is None:
            raise missing("dispute", dispute_id)
        if status not in {"won", "lost", "warning_closed"}:
            raise StripeRefusal("A dispute ends as won, lost or warning_closed.", param="status")
        dispute.status = status
        return self._event("charge.dispute.closed", dispute.shown())

    def session(self, session_id: str) -> Session:
        """Return a checkout."""
        session = self.sessions.get(session_id)
        if session is None:
            raise missing("checkout.session", session_id)
        return session

    def told(self, form: Form) -> Iterator[Shown]:
        """Return events, newest first, as ``created`` and ``type`` ask."""
        created, kinds = inner(form, "created"), set(inner(form, "types").values())
        if kind := text(form, "type", ""):
            kinds.add(kind)
        since = max(number(created, "gte", 0), number(created, "gt", -1) + 1)
        until = min(number(created, "lt", _NEVER), number(created, "lte", _NEVER) + 1)
        for event_text in reversed(self.events.values()):
            event: Shown = json.loads(event_text)
            if event["created"] < since:
                return
            if event["created"] < until and (not kinds or event["type"] in kinds):
                yield event

    def dump(self) -> Shown:
        """Return the books, as JSON."""
        shelves = ((name, shelf) for name, (shelf, _) in self._shelves().items())
        return {name: [asdict(thing) for thing in shelf.values()] for name, shelf in shelves} | {"events": self.events}

    def load(self, kept: Shown) -> None:
        """Take back what `dump` returned."""
        for name, (shelf, kind) in self._shelves().items():
            shelf.update((row["id"], kind(**row)) for row in kept[name])
        for session in self.sessions.values():
            session.url = f"{self._page_url}/{session.id}"  # the pages may be elsewhere now
        self.events.update(kept["events"])
        self._closing = [(session.expires_at, session.id) for session in self.sessions.values()]
        heapq.heapify(self._closing)

    def _shelves(self) -> dict[str, tuple[dict[str, Any], Callable[..., Any]]]:
        return {
            "sessions": (self.sessions, Session),
            "intents": (self.intents, Intent),
            "refunds": (self.refunds, Refund),
            "disputes": (self.disputes, Dispute),
        }

    def _open_session(self, session_id: str) -> Session:
        session = self.session(session_id)
        if session.status != "open":
            message = f"This Checkout Session is {session.status} and no longer open."
            raise StripeRefusal(message, status=409, code="checkout_not_open")
        return session

    def _event(self, kind: str, thing: Shown) -> str:
        event_id = _id("evt_", 12)
        event = {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self._now()),
            "data": {"object": thing},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.events[event_id] = json.dumps(event, indent=2)
        if len(self.events) > _KEPT:
            self.events.popitem(last=False)
        return self.events[event_id]


def _id(prefix: str, size: int) -> str:
    return prefix + secrets.token_hex(size)
