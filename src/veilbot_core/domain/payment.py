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
    """The customer's bank took the money back for now."""
    REVERSAL = "reversal"
    """A dispute was won: the money came back."""
    DISPUTE_LOST = "dispute_lost"
    """A dispute was lost: its money stays away, or goes once more if the dispute had been won."""
    REFUND_FAILED = "refund_failed"
    """A refund did not reach the customer; it has the refund's id, and the money is with us again."""


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
    charge_id: str | None = None
    """The charge that a refund or dispute belongs to."""
    money: Money
    status: PaymentStatus
    order_id: OrderId | None
    user_id: UserId | None
    note: str = ""
    at: datetime


_OF_DISPUTES = frozenset({PaymentKind.DISPUTE, PaymentKind.REVERSAL, PaymentKind.DISPUTE_LOST})


def given_back(movements: Sequence[Payment], price: Money) -> tuple[int, int]:
    """Return how much of the money that paid for an order went back, and how much that money was.

    A charge that was held beside the accepted one (a second payment, say) paid for nothing, nor does its refund count,
    nor does one in another currency than the charge's. Of money that was held, and approved by a person, what is
    beyond the price paid for nothing, and goes back first.
    """
    charges = [p for p in movements if p.kind is PaymentKind.CHARGE]
    paid = [p for p in charges if p.status is PaymentStatus.ACCEPTED] or charges
    ours = {None, *(p.external_id for p in paid)}
    back = [p for p in _refunds(movements) if p.charge_id in ours and any(fits(c, p.money) for c in paid)]
    held = [p for p in paid if p.status is PaymentStatus.HELD and p.money.currency == price.currency]
    beyond = max(0, _total(held) - price.amount)
    return max(0, _total(back) - beyond), _total(paid) - beyond


def refundable(movements: Sequence[Payment]) -> tuple[Payment, int] | None:
    """Return the charge that a refund comes from and what is left of it.

    What a refund that failed still owes goes back first, then money that was held.
    """
    charges = [p for p in movements if p.kind is PaymentKind.CHARGE]
    for charge in sorted(charges, key=lambda p: (not _owed(p, movements), p.status is not PaymentStatus.HELD)):
        left = left_of(charge, movements)
        if left > 0:
            return charge, left
    return None


def left_of(charge: Payment, movements: Sequence[Payment]) -> int:
    """Return what of a charge has not gone back, as far as we know, in minor units."""
    return charge.money.amount - _total([p for p in _refunds(movements) if _of(charge, p)])


def under_dispute(movements: Sequence[Payment]) -> bool:
    """Whether a dispute about these payments is open or lost: of each, what happened last decides.

    Events come in any order, so their own time counts; at the same second it began before it ended.
    """
    said = [p for p in movements if p.kind in _OF_DISPUTES]
    last = {p.external_id: p for p in sorted(said, key=lambda p: (p.at, p.kind is not PaymentKind.DISPUTE))}
    return any(p.kind is not PaymentKind.REVERSAL for p in last.values())


def fits(charge: Payment, back: Money) -> bool:
    """Whether money can have gone back of a charge, by its currency; of a charge whose amount is unknown any can."""
    return not charge.money.amount or back.currency == charge.money.currency


def failed_refunds(movements: Sequence[Payment]) -> int:
    """Return how many refunds did not reach the customer."""
    return sum(p.kind is PaymentKind.REFUND_FAILED for p in movements)


def _refunds(movements: Sequence[Payment]) -> list[Payment]:
    """Return the refunds that have not failed, as far as we know."""
    failed = _failed(movements)
    return [p for p in movements if p.kind is PaymentKind.REFUND and p.external_id not in failed]


def _of(charge: Payment, refund: Payment) -> bool:
    return refund.charge_id == charge.external_id and fits(charge, refund.money)


def _owed(charge: Payment, movements: Sequence[Payment]) -> int:
    """Return what of a charge's failed refunds no later one has made good."""
    failed, owed = _failed(movements), 0
    for payment in movements:
        if payment.kind is PaymentKind.REFUND and _of(charge, payment):
            amount = payment.money.amount
            owed = owed + amount if payment.external_id in failed else max(0, owed - amount)
    return owed


def _failed(movements: Sequence[Payment]) -> set[str]:
    return {p.external_id for p in movements if p.kind is PaymentKind.REFUND_FAILED}


def _total(movements: Sequence[Payment]) -> int:
    return sum(payment.money.amount for payment in movements)


class Happening(StrEnum):
    """What a provider's event says, in our words."""

    CHARGED = "charged"
    PROCESSING = "processing"
    """The customer has paid by a method whose money arrives, or fails, later."""
    FAILED = "failed"
    EXPIRED = "expired"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    """A refund that was under way did not reach the customer."""
    INQUIRY = "inquiry"
    """The customer's bank asks about a charge, and may claim it later; no money moved."""
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
    doubt: str = ""
    """Why a person must look at it although it is authentic: a charge with a doubt is held."""


class Receipt(StrEnum):
    """What became of an event; the provider hears 2xx for each of them."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    """Authentic, but of no concern to us."""
    HELD = "held"
    """Recorded; a person decides."""
