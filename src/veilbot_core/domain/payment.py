"""Payment: a movement of money, and what a provider tells us about one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from veilbot_core.domain.ids import OrderId, PaymentId, UserId
from veilbot_core.domain.money import Money


class Provider(StrEnum):
    """Payment providers; a new one is a member here, an adapter and a line in the container."""

    STRIPE = "stripe"


class PaymentKind(StrEnum):
    """Which way the money moved."""

    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"


class PaymentStatus(StrEnum):
    """What we made of it."""

    ACCEPTED = "accepted"
    HELD = "held"
    """It fits no order; nothing was granted for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One movement of money; never changed, unique by (provider, kind, external id)."""

    id: PaymentId
    provider: Provider
    kind: PaymentKind
    external_id: str
    """The provider's id of the movement: a charge, a refund, a dispute."""
    money: Money
    status: PaymentStatus
    order_id: OrderId | None
    user_id: UserId | None
    note: str = ""
    at: datetime


def given_back(movements: Sequence[Payment]) -> tuple[int, int]:
    """Return how much of the money that paid for an order went back, and how much that money was.

    Money that was held beside the accepted charge (a second payment, say) goes back first; money in another
    currency is another purse.
    """
    charges = [p for p in movements if p.kind is PaymentKind.CHARGE]
    refunds = [p for p in movements if p.kind is PaymentKind.REFUND]
    accepted = [p for p in charges if p.status is PaymentStatus.ACCEPTED]
    if not accepted:
        return _total(refunds), _total(charges)
    purse = accepted[0].money.currency
    beside = [p for p in charges if p.status is PaymentStatus.HELD and p.money.currency == purse]
    back = [p for p in refunds if p.money.currency == purse]
    return max(0, _total(back) - _total(beside)), _total(accepted)


def _total(movements: Sequence[Payment]) -> int:
    return sum(payment.money.amount for payment in movements)


class Happening(StrEnum):
    """What a provider's event says, in our words."""

    CHARGED = "charged"
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    DISPUTED = "disputed"
    DISPUTE_WON = "dispute_won"
    DISPUTE_LOST = "dispute_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent:
    """One authentic statement of a provider; it proves that something happened, not that it fits an order."""

    provider: Provider
    event_id: str
    happening: Happening
    order_id: OrderId | None
    external_id: str
    """The movement's id; for a failure or expiry, the checkout's."""
    charge_id: str | None = None
    """The charge that a refund or dispute belongs to."""
    money: Money | None
    at: datetime
    """The provider's time of the event, UTC."""


class Receipt(StrEnum):
    """What became of an event; the provider hears 2xx for each of them."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    """Authentic, but of no concern to us."""
    HELD = "held"
    """Recorded; a person decides."""
