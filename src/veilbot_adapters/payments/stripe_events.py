"""What Stripe's objects say, in our words.

Shapes are those of API 2026-10-28 (docs.stripe.com/api): events, checkout sessions, refunds, disputes. Everything is
read from the plain JSON, because building the SDK's objects costs many times more than all else on this path.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NoReturn
from uuid import UUID

from veilbot_adapters.payments.stripe_money import from_stripe
from veilbot_core.domain.errors import MalformedEvent
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider
from veilbot_core.ports.payments import Told

Json = Mapping[str, Any]

MOST_BYTES = 1 << 20
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_LATEST = 1 << 40
"""Seconds that a date can still hold."""
_FAILED_INTENTS = frozenset({"requires_payment_method", "canceled"})
_UNDONE_REFUNDS = frozenset({"failed", "canceled"})
_DISPUTE_ENDS = MappingProxyType(
    {
        "lost": Happening.DISPUTE_LOST,
        "won": Happening.DISPUTE_WON,
        "prevented": Happening.DISPUTE_WON,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Which statement of Stripe's it is, and when it was made."""

    event_id: str
    at: datetime


def read_event(text: str, *, live: bool) -> PaymentEvent | None:
    """Read a verified webhook; None for one that is of no concern.

    ``live`` is the mode of our own key: an event of the other mode tells of money that is not the shop's, or of none.

    Raises:
        MalformedEvent: not an event, or one that lacks what we need of it.
    """
    event = _parse(text)
    found, mode = _read(event), event.get("livemode")
    if found is None:
        return None
    if not isinstance(mode, bool):
        raise MalformedEvent("livemode is neither true nor false")
    doubt = "live money, and the shop's key is for tests" if mode else "test money"
    return found if mode is live else replace(found, doubt=doubt)


def read_list(listed: Sequence[Json], *, more: bool) -> Told:
    """Read a page of events, which came over TLS for our key and need no signature; none of them spoils the others."""
    found, unreadable = [], []
    for event in listed:
        try:
            found.append(_read(event))
        except MalformedEvent:
            unreadable.append(_id(event, "id"))
    after = _id(listed[-1], "id") if more and listed else None
    return Told(events=[event for event in found if event is not None], unreadable=unreadable, more=after)


def _read(event: Json) -> PaymentEvent | None:
    kind = event.get("type")
    if not isinstance(kind, str):
        raise MalformedEvent("the event has no type")
    reader = _READERS.get(kind)
    if reader is None:
        return None
    stamp = Stamp(event_id=_id(event, "id"), at=_time(event))
    return reader(_object(_object(event, "data"), "object"), stamp)


def charged(session: Json, stamp: Stamp) -> PaymentEvent | None:
    """Read a checkout session that is complete; None while its money is still on the way."""
    status = session.get("payment_status")
    if status in ("unpaid", "no_payment_required"):
        return None
    if status != "paid":
        raise MalformedEvent("a checkout session has no payment status that we know")
    return PaymentEvent(
        provider=Provider.STRIPE,
        event_id=stamp.event_id,
        happening=Happening.CHARGED,
        order_id=_order_id(session),
        external_id=_id(session, "payment_intent" if session.get("payment_intent") is not None else "id"),
        money=from_stripe(session.get("amount_total"), session.get("currency")),
        at=stamp.at,
    )


def looked_at(session: Json, now: datetime) -> PaymentEvent | None:
    """Read a checkout session that was asked for, with its payment intent expanded; None while it is open.

    A session is complete when the customer has done everything. With a delayed method its intent is then processing or
    waits for an action outside; one that failed wants another
    method (docs.stripe.com/payments/paymentintents/lifecycle).
    """
    intent = session.get("payment_intent")
    flat = {**session, "payment_intent": intent.get("id") if isinstance(intent, dict) else intent}
    status = session.get("status")

    def stamp(what: str) -> Stamp:
        return Stamp(event_id=f"fetch-{_id(session, 'id')}-{what}", at=now)

    if status == "expired":
        return not_paid(flat, stamp("expired"), Happening.EXPIRED)
    if status == "complete" and session.get("payment_status") == "unpaid":
        failed = isinstance(intent, dict) and intent.get("status") in _FAILED_INTENTS
        happening = Happening.FAILED if failed else Happening.PROCESSING
        return not_paid(flat, stamp(happening), happening)
    return charged(flat, stamp("paid"))


def not_paid(session: Json, stamp: Stamp, happening: Happening) -> PaymentEvent:
    """Read a checkout session that brought nothing."""
    return PaymentEvent(
        provider=Provider.STRIPE,
        event_id=stamp.event_id,
        happening=happening,
        order_id=_order_id(session),
        external_id=_id(session, "id"),
        money=None,
        at=stamp.at,
    )


def refunded(refund: Json, stamp: Stamp, happening: Happening = Happening.REFUNDED) -> PaymentEvent:
    """Read a refund, wherever it stands."""
    return PaymentEvent(
        provider=Provider.STRIPE,
        event_id=stamp.event_id,
        happening=happening,
        order_id=_order_id(refund),
        external_id=_id(refund, "id"),
        charge_id=_charge_id(refund),
        money=from_stripe(refund.get("amount"), refund.get("currency")),
        at=stamp.at,
    )


def undone(refund: Json) -> bool:
    """Whether the money of this refund stayed with us."""
    return refund.get("status") in _UNDONE_REFUNDS


def _refund_told(refund: Json, stamp: Stamp) -> PaymentEvent | None:
    status = refund.get("status")
    if status is not None and not isinstance(status, str):
        raise MalformedEvent("a refund's status is not a text")
    if undone(refund):
        return refunded(refund, stamp, Happening.REFUND_FAILED)
    return refunded(refund, stamp) if status == "succeeded" else None


def _disputed(dispute: Json, stamp: Stamp, happening: Happening = Happening.DISPUTED) -> PaymentEvent:
    return PaymentEvent(
        provider=Provider.STRIPE,
        event_id=stamp.event_id,
        happening=happening,
        order_id=_order_id(dispute),
        external_id=_id(dispute, "id"),
        charge_id=_charge_id(dispute),
        money=from_stripe(dispute.get("amount"), dispute.get("currency")),
        at=stamp.at,
    )


def _dispute_opened(dispute: Json, stamp: Stamp) -> PaymentEvent:
    """Read a new dispute; an inquiry is one that takes no money, until `charge.dispute.funds_withdrawn` says so."""
    return _disputed(dispute, stamp, Happening.INQUIRY if _inquiry(_status(dispute)) else Happening.DISPUTED)


def _dispute_closed(dispute: Json, stamp: Stamp) -> PaymentEvent | None:
    """Read how a dispute ended; in a way that we do not know it counts as open, and a person must look."""
    status = _status(dispute)
    if _inquiry(status):
        return None
    end = _DISPUTE_ENDS.get(status)
    if end is None:
        return replace(_disputed(dispute, stamp), doubt="a dispute ended in a way that is not known")
    return _disputed(dispute, stamp, end)


def _inquiry(status: str) -> bool:
    """Say whether it is one (docs.stripe.com/disputes/how-disputes-work#inquiries)."""
    return status.startswith("warning_")


def _status(dispute: Json) -> str:
    status = dispute.get("status")
    if not isinstance(status, str):
        raise MalformedEvent("a dispute has no status")
    return status


_READERS: Mapping[str, Callable[[Json, Stamp], PaymentEvent | None]] = MappingProxyType(
    {
        "checkout.session.completed": charged,
        "checkout.session.async_payment_succeeded": charged,
        "checkout.session.async_payment_failed": lambda thing, stamp: not_paid(thing, stamp, Happening.FAILED),
        "checkout.session.expired": lambda thing, stamp: not_paid(thing, stamp, Happening.EXPIRED),
        "refund.created": _refund_told,
        "refund.updated": _refund_told,
        "refund.failed": _refund_told,
        "charge.refund.updated": _refund_told,
        "charge.dispute.created": _dispute_opened,
        "charge.dispute.funds_withdrawn": _disputed,
        "charge.dispute.closed": _dispute_closed,
    }
)

KINDS = tuple(_READERS)
"""The types of concern; Stripe lists up to 20 at once."""


def _parse(text: str) -> Json:
    if len(text) > MOST_BYTES:
        raise MalformedEvent("the event is too large")
    try:
        event = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise MalformedEvent("the event is not JSON") from None
    if not isinstance(event, dict):
        raise MalformedEvent("the event is not a JSON object")
    return event


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; a key that stands twice has no meaning that two readers would agree on."""
    thing = dict(pairs)
    if len(thing) != len(pairs):
        raise MalformedEvent("a key stands twice in one object")
    return thing


def _refuse(constant: str) -> NoReturn:
    raise MalformedEvent(f"{constant} is not JSON")


def _object(thing: Json, key: str) -> Json:
    value = thing.get(key)
    if not isinstance(value, dict):
        raise MalformedEvent(f"{key} is not an object")
    return value


def _id(thing: Json, key: str) -> str:
    value = thing.get(key)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise MalformedEvent(f"{key} is not an id")
    return value


def _charge_id(thing: Json) -> str:
    """Return the id that the charge was booked under: the payment intent's."""
    return _id(thing, "payment_intent" if thing.get("payment_intent") is not None else "charge")


def _time(event: Json) -> datetime:
    created = event.get("created")
    if not isinstance(created, int) or isinstance(created, bool) or not 0 <= created < _LATEST:
        raise MalformedEvent("created is not a time")
    try:
        return datetime.fromtimestamp(created, UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedEvent("created is not a time") from None


def _order_id(thing: Json) -> OrderId | None:
    """Return the order that the object names; None if it names nothing of ours."""
    reference = thing.get("client_reference_id")
    if reference is None:
        metadata = thing.get("metadata")
        if metadata is not None and not isinstance(metadata, dict):
            raise MalformedEvent("metadata is not an object")
        reference = (metadata or {}).get("order_id")
    if reference is not None and not isinstance(reference, str):
        raise MalformedEvent("the order's reference is not a text")
    try:
        return OrderId(UUID(reference)) if reference else None
    except ValueError:
        return None
