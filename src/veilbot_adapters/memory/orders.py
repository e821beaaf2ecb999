"""Orders and payments in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from veilbot_adapters.memory.tables import Index, Journal, Table, Unique, below
from veilbot_core.domain.ids import OrderId, PaymentId, UserId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider
from veilbot_core.ports import repositories as port


class MemoryOrders(port.Orders):
    """Orders by id, by user, by status, and those that are paid by the time of that."""

    def __init__(self, journal: Journal) -> None:
        self._by_id = Index[Order](lambda _: 0)
        self._by_user = Index[Order](lambda order: order.user_id.int)
        self._by_status = Index[Order](lambda order: order.status)
        self._pending = Index[Order](lambda order: order.user_id.int if order.status is OrderStatus.PENDING else None)
        self._paid = Index[Order](_paid, lambda order: (order.paid_at,))
        indexes = [self._by_id, self._by_user, self._by_status, self._pending, self._paid]
        self._table = Table(journal, indexes=indexes)

    def get(self, order_id: OrderId) -> Order:
        """Return the order. Raises NotFound."""
        return self._table.get(order_id.int)

    lock = get

    def find(self, order_id: OrderId) -> Order | None:
        """Return the order, or None."""
        return self._table.rows.get(order_id.int)

    def add(self, order: Order) -> None:
        """Insert."""
        self._table.insert(order.id.int, order)

    def save(self, order: Order) -> None:
        """Replace."""
        self._table.update(order.id.int, order)

    def pending_of(self, user_id: UserId) -> Sequence[Order]:
        """Walk down the user's pending orders."""
        return self._table.take(self._pending.down(user_id.int), 20)

    def page(
        self,
        *,
        limit: int,
        after: OrderId | None = None,
        user_id: UserId | None = None,
        status: OrderStatus | None = None,
    ) -> Sequence[Order]:
        """Walk down by id, one user's or one status's orders if asked."""
        if user_id is not None:
            entries = self._by_user.down(user_id.int, before=below(after))
            wanted = (e for e in entries if status is None or self._table.rows[e[-1]].status is status)
            return self._table.take(wanted, limit)
        if status is not None:
            return self._table.take(self._by_status.down(status, before=below(after)), limit)
        return self._table.take(self._by_id.down(before=below(after)), limit)

    def stuck(self, before: datetime, limit: int) -> Sequence[OrderId]:
        """Walk up the paid ones by the time they were paid."""
        orders = self._table.take(self._paid.up(), limit)
        return [order.id for order in orders if order.paid_at is not None and order.paid_at < before]


class MemoryPayments(port.Payments):
    """Payments by id, by the provider's id, by order, by user and by status; and the inbox."""

    def __init__(self, journal: Journal) -> None:
        self._by_id = Index[Payment](lambda _: 0)
        self._by_order = Index[Payment](lambda payment: payment.order_id and payment.order_id.int)
        self._astray = Index[Payment](lambda p: None if p.order_id else (p.provider, p.charge_id))
        self._by_user = Index[Payment](lambda payment: payment.user_id and payment.user_id.int)
        self._by_status = Index[Payment](lambda payment: payment.status)
        self._by_movement = Unique[Payment](lambda payment: (payment.provider, payment.kind, payment.external_id))
        indexes = [self._by_id, self._by_order, self._astray, self._by_user, self._by_status]
        self._table = Table(journal, indexes=indexes, uniques=[self._by_movement])
        self._inbox = Table[datetime](journal)
        self._asked = Table[datetime](journal)

    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment. Raises NotFound."""
        return self._table.get(payment_id.int)

    def add(self, payment: Payment) -> bool:
        """Insert a movement that is not there yet."""
        if self.find(payment.provider, payment.kind, payment.external_id) is not None:
            return False
        self._table.insert(payment.id.int, payment)
        return True

    def find(self, provider: Provider, kind: PaymentKind, external_id: str) -> Payment | None:
        """Return the payment with the provider's id."""
        return self._table.named(self._by_movement, (provider, kind, external_id))

    def lock_charge(self, provider: Provider, charge_id: str) -> None:
        """Do nothing: here is one unit of work at a time."""

    def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        """Walk up the order's payments, and those that name no order but one of its charges."""
        named = self._table.take(self._by_order.up(order_id.int))
        charges = [(p.provider, p.external_id) for p in named if p.kind is PaymentKind.CHARGE]
        astray = [p for charge in charges for p in self._table.take(self._astray.up(charge))]
        return sorted([*named, *astray], key=lambda p: p.id) if astray else named

    def page(
        self,
        *,
        limit: int,
        after: PaymentId | None = None,
        user_id: UserId | None = None,
        status: PaymentStatus | None = None,
    ) -> Sequence[Payment]:
        """Walk down by id, one user's or one status's payments if asked."""
        if user_id is not None:
            entries = self._by_user.down(user_id.int, before=below(after))
            wanted = (e for e in entries if status is None or self._table.rows[e[-1]].status is status)
            return self._table.take(wanted, limit)
        if status is not None:
            return self._table.take(self._by_status.down(status, before=below(after)), limit)
        return self._table.take(self._by_id.down(before=below(after)), limit)

    def first_sight(self, provider: Provider, event_id: str, at: datetime) -> bool:
        """Write the event into the inbox, unless it is there."""
        if (provider, event_id) in self._inbox.rows:
            return False
        self._inbox.insert((provider, event_id), at)
        return True

    def unseen(self, provider: Provider, event_ids: Iterable[str]) -> set[str]:
        """Look each of them up."""
        return {event_id for event_id in event_ids if (provider, event_id) not in self._inbox.rows}

    def asked_until(self, provider: Provider) -> datetime | None:
        """Return what was remembered last."""
        return self._asked.rows.get(provider)

    def asked(self, provider: Provider, until: datetime) -> None:
        """Insert or replace."""
        (self._asked.update if provider in self._asked.rows else self._asked.insert)(provider, until)


def _paid(order: Order) -> int | None:
    return 0 if order.status is OrderStatus.PAID and order.paid_at is not None else None
