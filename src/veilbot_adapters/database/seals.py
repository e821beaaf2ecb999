"""Sealed values, apart from the rest of their rows."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Table, bindparam, select, update

from veilbot_adapters.database import tables
from veilbot_adapters.database.repository import Repository
from veilbot_adapters.database.statements import Statement, among
from veilbot_core.domain.secret import Place, Sealed
from veilbot_core.ports import repositories as ports


class _Column:
    """The statements about one sealed column."""

    def __init__(self, table: Table, name: str) -> None:
        row, sealed = table.c.id, table.c[name]
        values = select(row, sealed.label("sealed")).where(sealed.is_not(None)).order_by(row)
        first = values.limit(bindparam("limit"))
        self.first = Statement(first)
        self.next = Statement(first.where(row > bindparam("after")))
        self.lock = Statement(
            *(values.where(some).with_for_update(key_share=True) for some in among(row, "ids")),
        )
        self.save = Statement(update(table).where(row == bindparam("id")).values({name: bindparam("sealed")}))


_COLUMNS: Mapping[Place, _Column] = {
    Place.SERVER: _Column(tables.servers, "endpoint"),
    Place.SUBSCRIPTION: _Column(tables.subscriptions, "token"),
    Place.KEY: _Column(tables.keys, "access_url"),
}


class Seals(Repository, ports.Seals):
    """Sealed values by place and row."""

    __slots__ = ()

    def page(self, place: Place, *, limit: int, after: UUID | None = None) -> Sequence[tuple[UUID, Sealed]]:
        """Return values with their rows' ids, by id, ascending; a row without one is left out."""
        column = _COLUMNS[place]
        found = self._session.all(column.first if after is None else column.next, {"limit": limit, "after": after})
        return [(row.id, Sealed(row.sealed)) for row in found]

    def lock(self, place: Place, rows: Iterable[UUID]) -> Sequence[tuple[UUID, Sealed]]:
        """Return the values that some rows have now, for a change, by id, ascending."""
        found = self._session.all(_COLUMNS[place].lock, {"ids": self._session.listed(rows)})
        return [(row.id, Sealed(row.sealed)) for row in found]

    def save(self, place: Place, values: Mapping[UUID, Sealed]) -> None:
        """Write values and nothing else of their rows; a row that is gone is left out."""
        changed = [{"id": row, "sealed": sealed} for row, sealed in values.items()]
        self._session.change_many(_COLUMNS[place].save, changed)
