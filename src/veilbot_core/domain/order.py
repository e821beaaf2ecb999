"""Order: a decision to buy, with the price frozen at that moment."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from veilbot_core.domain.errors import InvalidTransition
from veilbot_core.domain.ids import OrderId, SubscriptionId, TariffId, UserId
from veilbot_core.domain.money import Money
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Terms


class OrderStatus(StrEnum):
    """Where an order stands; it only moves forward."""

    PENDING = "pending"
    PAID = "paid"
    FULFILLED = "fulfilled"
    CANCELED = "canceled"
    HELD = "held"
    """Money came in that does not match, or is disputed; a person or the bank decides."""
    REFUNDED = "refunded"


class Hold(StrEnum):
    """Why an order is held."""

    MONEY = "money"
    """Its money does not match."""
    DISPUTE = "dispute"
    """What paid for it, or for its subscription, is disputed; it goes on by itself when that is won."""
    ENDED = "ended"
    """Its time was over before a key could be delivered."""


_NEXT: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PAID, OrderStatus.CANCELED, OrderStatus.HELD}),
    OrderStatus.CANCELED: frozenset({OrderStatus.PAID, OrderStatus.HELD}),  # late money is honoured
    OrderStatus.PAID: frozenset({OrderStatus.FULFILLED, OrderStatus.HELD, OrderStatus.REFUNDED}),
    OrderStatus.HELD: frozenset({OrderStatus.PAID, OrderStatus.REFUNDED}),
    OrderStatus.FULFILLED: frozenset({OrderStatus.REFUNDED}),
    OrderStatus.REFUNDED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one customer agreed to pay for, once."""

    id: OrderId
    user_id: UserId
    tariff_id: TariffId
    terms: Terms
    price: Money
    provider: Provider
    country: str | None = None
    """The customer's choice, ISO 3166-1 alpha-2; None leaves it to us."""
    subscription_id: SubscriptionId | None = None
    """The subscription it renews or made; None until a new one exists."""
    status: OrderStatus = OrderStatus.PENDING
    checkout_id: str | None = None
    checkout_url: str | None = None
    note: str = ""
    """What an operator should know: why it is held, or that a refund of it failed."""
    held_for: Hold | None = None
    """None unless it is held."""
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    """When it was fulfilled, canceled or refunded."""

    def _to(self, status: OrderStatus) -> None:
        if status not in _NEXT[self.status]:
            raise InvalidTransition(f"an order that is {self.status} does not become {status}")

    @property
    def payable(self) -> bool:
        """Whether money for it is still welcome; late money is."""
        return OrderStatus.PAID in _NEXT[self.status] and self.status is not OrderStatus.HELD

    def offer(self, checkout_id: str, url: str) -> "Order":
        """Remember where the customer pays."""
        return replace(self, checkout_id=checkout_id, checkout_url=url)

    def pay(self, at: datetime) -> "Order":
        """Record that verified money of the right amount came in."""
        self._to(OrderStatus.PAID)
        return replace(self, status=OrderStatus.PAID, paid_at=at, closed_at=None, note="", held_for=None)

    def fulfil(self, at: datetime) -> "Order":
        """Record that every key it pays for works."""
        self._to(OrderStatus.FULFILLED)
        return replace(self, status=OrderStatus.FULFILLED, closed_at=at)

    def cancel(self, at: datetime) -> "Order":
        """Close it unpaid."""
        self._to(OrderStatus.CANCELED)
        return replace(self, status=OrderStatus.CANCELED, closed_at=at)

    def hold(self, why: Hold, note: str) -> "Order":
        """Stop it until a person decides, or a dispute is won."""
        self._to(OrderStatus.HELD)
        return replace(self, status=OrderStatus.HELD, note=note, held_for=why)

    def refund(self, at: datetime) -> "Order":
        """Record that all of its money went back."""
        self._to(OrderStatus.REFUNDED)
        return replace(self, status=OrderStatus.REFUNDED, closed_at=at, held_for=None)

    def remark(self, note: str) -> "Order":
        """Return it with another note for the operator."""
        return replace(self, note=note)

    def serve(self, subscription_id: SubscriptionId) -> "Order":
        """Tie it to the subscription that it extends."""
        return replace(self, subscription_id=subscription_id)
