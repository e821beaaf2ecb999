"""Orders, payments and the inbox of providers' events."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select, union_all
from sqlalchemy.dialects import postgresql, sqlite

from veilbot_adapters.database import rows, tables
from veilbot_adapters.database.pages import Pages
from veilbot_adapters.database.repository import Repository
from veilbot_adapters.database.statements import (
    Statement,
    among,
    by_id,
    constant,
    insert_unknown,
    lock_by_id,
    update_row,
)
from veilbot_core.domain.ids import OrderId, PaymentId, UserId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider
from veilbot_core.ports import repositories as ports

_orders, _payments = tables.orders, tables.payments

_ORDER = by_id(_orders)
_LOCK_ORDER = lock_by_id(_orders)
_ADD_ORDER = insert_unknown(_orders)
_AGREED = frozenset({"user_id", "tariff_id", "terms", "amount", "currency", "provider", "country", "expires_at"})
_SAVE_ORDER = update_row(_orders, but=_AGREED)
_ORDERS = Pages(_orders)
_STUCK = Statement(
    select(_orders.c.id)
    .where(_orders.c.status == constant(OrderStatus.PAID), _orders.c.paid_at < bindparam("before"))
    .order_by(_orders.c.paid_at, _orders.c.id)
    .limit(bindparam("limit"))
)

_PAYMENT = by_id(_payments)
_ADD_PAYMENT = insert_unknown(_payments)
_PAYMENT_OF_PROVIDER = Statement(
    select(_payments).where(
        _payments.c.provider == bindparam("provider"),
        _payments.c.kind == bindparam("kind"),
        _payments.c.external_id == bindparam("external_id"),
    )
)
_ASTRAY, _CHARGE = _payments.alias("astray"), _payments.alias("charge")
_MOVEMENTS = union_all(
    select(_payments).where(_payments.c.order_id == bindparam("order_id")),
    select(_ASTRAY).where(
        _CHARGE.c.order_id == bindparam("order_id"),
        _CHARGE.c.kind == constant(PaymentKind.CHARGE),
        _ASTRAY.c.provider == _CHARGE.c.provider,
        _ASTRAY.c.charge_id == _CHARGE.c.external_id,
        _ASTRAY.c.order_id.is_(None),
    ),
)
_PAYMENTS_OF_ORDER = Statement(_MOVEMENTS.order_by(_MOVEMENTS.selected_columns.id))
_LOCK_CHARGE = Statement(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("charge"), 0))))
"""For Postgres, where two transactions do not see each other; rows that are not there yet cannot be locked."""
_PAYMENTS = Pages(_payments)
_REMEMBER = insert_unknown(tables.inbox)
_SEEN = Statement(
    *(
        select(tables.inbox.c.event_id).where(tables.inbox.c.provider == bindparam("provider"), some)
        for some in among(tables.inbox.c.event_id, "event_ids")
    )
)
_ASKED_UNTIL = Statement(select(tables.asked).where(tables.asked.c.provider == bindparam("provider")))


def _asked(insert: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    return insert.on_conflict_do_update(index_elements=[tables.asked.c.provider], set_={"until": insert.excluded.until})


_ASKED = Statement(_asked(sqlite.insert(tables.asked)), _asked(postgresql.insert(tables.asked)))


class Orders(Repository, ports.Orders):
    """Decisions to buy."""

    __slots__ = ()

    def get(self, order_id: OrderId) -> Order:
        """Return the order. Raises NotFound."""
        return rows.to_order(self._get(_ORDER, {"id": order_id}))

    def lock(self, order_id: OrderId) -> Order:
        """Return the order for a change. Raises NotFound."""
        return rows.to_order(self._get(_LOCK_ORDER, {"id": order_id}))

    def find(self, order_id: OrderId) -> Order | None:
        """Return the order for a change, or None."""
        row = self._session.first(_LOCK_ORDER, {"id": order_id})
        return None if row is None else rows.to_order(row)

    def add(self, order: Order) -> None:
        """Insert. Raises AlreadyExists."""
        self._add(_ADD_ORDER, rows.from_order(order))

    def save(self, order: Order) -> None:
        """Write a changed order. Raises NotFound."""
        self._save(_SAVE_ORDER, rows.from_order(order))

    def pending_of(self, user_id: UserId) -> Sequence[Order]:
        """Return the user's unpaid open orders, newest first, at most 20."""
        return self.page(limit=20, user_id=user_id, status=OrderStatus.PENDING)

    def page(
        self,
        *,
        limit: int,
        after: OrderId | None = None,
        user_id: UserId | None = None,
        status: OrderStatus | None = None,
    ) -> Sequence[Order]:
        """Return orders, newest first."""
        found = _ORDERS.rows(self._session, limit, after, user_id=user_id, status=status)
        return [rows.to_order(row) for row in found]

    def stuck(self, before: datetime, limit: int) -> Sequence[OrderId]:
        """Return orders paid before ``before`` and still not fulfilled, oldest first."""
        return [row.id for row in self._session.all(_STUCK, {"before": before, "limit": limit})]


class Payments(Repository, ports.Payments):
    """Movements of money; append-only."""

    __slots__ = ()

    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment. Raises NotFound."""
        return rows.to_payment(self._get(_PAYMENT, {"id": payment_id}))

    def add(self, payment: Payment) -> bool:
        """Insert unless (provider, kind, external id) is known; say whether it was new."""
        return self._session.change(_ADD_PAYMENT, rows.from_payment(payment)) == 1

    def find(self, provider: Provider, kind: PaymentKind, external_id: str) -> Payment | None:
        """Return the payment with the provider's id."""
        values = {"provider": provider, "kind": kind, "external_id": external_id}
        row = self._session.first(_PAYMENT_OF_PROVIDER, values)
        return None if row is None else rows.to_payment(row)

    def lock_charge(self, provider: Provider, charge_id: str) -> None:
        """Let nobody else book anything about a charge until this unit of work ends; it may be unknown yet."""
        if self._session.postgres:  # SQLite has one writer anyway
            self._session.first(_LOCK_CHARGE, {"charge": f"{provider}/{charge_id}"})

    def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        """Return all movements of one order, oldest first: those that name it, and those that name its charges."""
        return [rows.to_payment(row) for row in self._session.all(_PAYMENTS_OF_ORDER, {"order_id": order_id})]

    def page(
        self,
        *,
        limit: int,
        after: PaymentId | None = None,
        user_id: UserId | None = None,
        status: PaymentStatus | None = None,
    ) -> Sequence[Payment]:
        """Return payments, newest first."""
        found = _PAYMENTS.rows(self._session, limit, after, user_id=user_id, status=status)
        return [rows.to_payment(row) for row in found]

    def first_sight(self, provider: Provider, event_id: str, at: datetime) -> bool:
        """Remember a provider's event in the inbox; False when it is there already."""
        return self._session.change(_REMEMBER, {"provider": provider, "event_id": event_id, "at": at}) == 1

    def unseen(self, provider: Provider, event_ids: Iterable[str]) -> set[str]:
        """Return those of a provider's events that are not in the inbox."""
        wanted = set(event_ids)
        values = {"provider": provider, "event_ids": self._session.listed(wanted)}
        return wanted - {row.event_id for row in self._session.all(_SEEN, values)}

    def asked_until(self, provider: Provider) -> datetime | None:
        """Return until when the provider was asked for everything that it told; None if it never was."""
        row = self._session.first(_ASKED_UNTIL, {"provider": provider})
        return None if row is None else row.until

    def asked(self, provider: Provider, until: datetime) -> None:
        """Remember that everything the provider told until then is booked."""
        self._session.put(_ASKED, {"provider": provider, "until": until})
