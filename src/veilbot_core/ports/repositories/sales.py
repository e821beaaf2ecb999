"""Decisions to buy, and movements of money."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from veilbot_core.domain.ids import OrderId, PaymentId, UserId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider


@runtime_checkable
class Orders(Protocol):
    """Decisions to buy."""

    @abstractmethod
    def get(self, order_id: OrderId) -> Order:
        """Return the order. Raises NotFound."""

    @abstractmethod
    def lock(self, order_id: OrderId) -> Order:
        """Return the order for a change. Raises NotFound."""

    @abstractmethod
    def find(self, order_id: OrderId) -> Order | None:
        """Return the order for a change, or None."""

    @abstractmethod
    def add(self, order: Order) -> None:
        """Insert. Raises AlreadyExists."""

    @abstractmethod
    def save(self, order: Order) -> None:
        """Write a changed order. Raises NotFound."""

    @abstractmethod
    def pending_of(self, user_id: UserId) -> Sequence[Order]:
        """Return the user's unpaid open orders, newest first, at most 20."""

    @abstractmethod
    def page(
        self,
        *,
        limit: int,
        after: OrderId | None = None,
        user_id: UserId | None = None,
        status: OrderStatus | None = None,
    ) -> Sequence[Order]:
        """Return orders, newest first."""

    @abstractmethod
    def stuck(self, before: datetime, limit: int) -> Sequence[OrderId]:
        """Return orders paid before ``before`` and still not fulfilled, oldest first."""


@runtime_checkable
class Payments(Protocol):
    """Movements of money; append-only."""

    @abstractmethod
    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment. Raises NotFound."""

    @abstractmethod
    def add(self, payment: Payment) -> bool:
        """Insert unless (provider, kind, external id) is known; say whether it was new."""

    @abstractmethod
    def find(self, provider: Provider, kind: PaymentKind, external_id: str) -> Payment | None:
        """Return the payment with the provider's id."""

    @abstractmethod
    def lock_charge(self, provider: Provider, charge_id: str) -> None:
        """Let nobody else book anything about a charge until this unit of work ends; it may be unknown yet.

        Whoever locks it first is seen by whoever waited: of a charge and its refund, the second finds the first.
        """

    @abstractmethod
    def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        """Return all movements of one order, oldest first.

        A refund or a dispute that was booked before its charge names no order: it belongs to the order of its charge.
        """

    @abstractmethod
    def page(
        self,
        *,
        limit: int,
        after: PaymentId | None = None,
        user_id: UserId | None = None,
        status: PaymentStatus | None = None,
    ) -> Sequence[Payment]:
        """Return payments, newest first."""

    @abstractmethod
    def first_sight(self, provider: Provider, event_id: str, at: datetime) -> bool:
        """Remember a provider's event in the inbox; False when it is there already."""

    @abstractmethod
    def unseen(self, provider: Provider, event_ids: Iterable[str]) -> set[str]:
        """Return those of a provider's events that are not in the inbox."""

    @abstractmethod
    def asked_until(self, provider: Provider) -> datetime | None:
        """Return until when the provider was asked for everything that it told; None if it never was."""

    @abstractmethod
    def asked(self, provider: Provider, until: datetime) -> None:
        """Remember that everything the provider told until then is booked."""
