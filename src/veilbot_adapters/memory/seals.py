"""Sealed values in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from veilbot_adapters.memory.keys import MemoryKeys
from veilbot_adapters.memory.offers import MemoryServers
from veilbot_adapters.memory.subscriptions import MemorySubscriptions
from veilbot_adapters.memory.tables import Table
from veilbot_core.domain.secret import Place, Sealed
from veilbot_core.ports import repositories as port


class MemorySeals(port.Seals):
    """Reads and replaces one field of other repositories' rows; each page walks all of them."""

    def __init__(self, servers: MemoryServers, subscriptions: MemorySubscriptions, keys: MemoryKeys) -> None:
        self._tables: dict[Place, Table[Any]] = {
            Place.SERVER: servers.table,
            Place.SUBSCRIPTION: subscriptions.table,
            Place.KEY: keys.table,
        }

    def page(self, place: Place, *, limit: int, after: UUID | None = None) -> Sequence[tuple[UUID, Sealed]]:
        """Sort all ids, and take those behind ``after``."""
        found = [row.id for row in self._tables[place].rows.values() if after is None or row.id > after]
        return self.lock(place, found)[:limit]

    def lock(self, place: Place, rows: Iterable[UUID]) -> Sequence[tuple[UUID, Sealed]]:
        """Return what there is."""
        known = self._tables[place].rows
        values = ((row, getattr(known.get(row.int), _field(place), None)) for row in sorted(rows))
        return [(row, sealed) for row, sealed in values if sealed is not None]

    def save(self, place: Place, values: Mapping[UUID, Sealed]) -> None:
        """Replace the field of rows that are still there."""
        table = self._tables[place]
        for row, sealed in values.items():
            known = table.rows.get(row.int)
            if known is not None:
                table.update(row.int, replace(known, **{_field(place): sealed}))


def _field(place: Place) -> str:
    return place.value.partition(".")[2]
