"""Payments: taking money through a provider."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import PaymentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCheckout:
    """Where the customer pays."""

    checkout_id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One page of what a provider has told, newest first."""

    events: Sequence[PaymentEvent]
    """Those of concern."""
    unreadable: Sequence[str] = ()
    """Ids of events of concern that are not understandable."""
    more: str | None = None
    """Where the next page begins; None on the last one."""


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
        """Ask what became of the order's checkout; None while it is open, or if the provider knows of none.

        Returns: CHARGED, EXPIRED, PROCESSING while the money is on its way, FAILED when it did not arrive.

        Raises:
            Unavailable, Rejected: as everywhere.
        """

    @abstractmethod
    async def told(self, since: datetime, until: datetime, *, after: str | None = None) -> Told:
        """List what the provider told, or should have told, by webhooks from ``since`` until before ``until``.

        The events have the ids of the webhooks. ``after`` is the ``more`` of the page before. A page has at most 100.

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
