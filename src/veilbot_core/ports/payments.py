"""Payments: taking money through a provider."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import PaymentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCheckout:
    """Where the customer pays."""

    checkout_id: str
    url: str


@runtime_checkable
class PaymentGateway(Protocol):
    """One provider. Every mutating call carries an idempotency key derived from the order, the same each time."""

    @abstractmethod
    async def open_checkout(self, order: Order) -> OpenCheckout:
        """Make the page that takes exactly the order's price and dies no later than the order.

        Raises:
            Unavailable, Rejected, Unknown: as everywhere; calling again is safe.
        """

    @abstractmethod
    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent | None:
        """Verify the raw bytes, then read them; None for an authentic event that is of no concern.

        ``headers`` has lower-case names.

        Raises:
            InvalidSignature: not signed by the provider, or too old, or from the future.
            MalformedEvent: signed but not understandable.
        """

    @abstractmethod
    async def fetch(self, order: Order) -> PaymentEvent | None:
        """Ask what became of the order's checkout: CHARGED, EXPIRED, or None while it is open.

        Raises:
            Unavailable, Rejected: as everywhere.
        """

    @abstractmethod
    async def refund(self, order: Order, charge_id: str, money: Money, *, attempt: str) -> PaymentEvent:
        """Send money back, once per (charge, amount, ``attempt``); another refund has another ``attempt``.

        Returns: the refund as an event, to be recorded like a webhook.

        Raises:
            Unavailable, Rejected, Unknown: as everywhere; calling again is safe.
        """
