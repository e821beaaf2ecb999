"""Tariffs and servers in memory."""

from collections.abc import Sequence
from dataclasses import replace

from veilbot_adapters.memory.tables import Index, Journal, Table, Unique
from veilbot_core.domain.ids import ServerId, TariffId
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Tariff
from veilbot_core.ports import repositories as port


class MemoryTariffs(port.Tariffs):
    """Tariffs by id."""

    def __init__(self, journal: Journal) -> None:
        self._by_age = Index[Tariff](lambda _: 0, lambda tariff: (tariff.created_at,))
        self._table = Table(journal, indexes=[self._by_age])

    def get(self, tariff_id: TariffId) -> Tariff:
        """Return the tariff. Raises NotFound."""
        return self._table.get(tariff_id.int)

    def all(self) -> Sequence[Tariff]:
        """Walk up by age."""
        return self._table.take(self._by_age.up())

    def add(self, tariff: Tariff) -> None:
        """Insert."""
        self._table.insert(tariff.id.int, tariff)

    def save(self, tariff: Tariff) -> None:
        """Replace."""
        self._table.update(tariff.id.int, tariff)


class MemoryServers(port.Servers):
    """Servers by id and by name, and the count of their places."""

    def __init__(self, journal: Journal) -> None:
        self._by_age = Index[Server](lambda _: 0, lambda server: (server.created_at,))
        self._by_name = Unique[Server](lambda server: server.name)
        self.table = Table(journal, indexes=[self._by_age], uniques=[self._by_name])

    def get(self, server_id: ServerId) -> Server:
        """Return the server. Raises NotFound."""
        return self.table.get(server_id.int)

    lock = get

    def all(self) -> Sequence[Server]:
        """Walk up by age."""
        return self.table.take(self._by_age.up())

    def add(self, server: Server) -> None:
        """Insert."""
        self.table.insert(server.id.int, server)

    def save(self, server: Server) -> None:
        """Replace all but ``reserved``."""
        self.table.update(server.id.int, replace(server, reserved=self.get(server.id).reserved))

    def take_place(self, server_id: ServerId) -> bool:
        """Count one more, if the server is active and has room."""
        server = self.table.rows.get(server_id.int)
        if server is None or server.status is not ServerStatus.ACTIVE or server.reserved >= server.capacity:
            return False
        self.table.update(server_id.int, replace(server, reserved=server.reserved + 1))
        return True

    def free_place(self, server_id: ServerId) -> None:
        """Count one less, never below zero."""
        server = self.table.rows.get(server_id.int)
        if server is not None and server.reserved > 0:
            self.table.update(server_id.int, replace(server, reserved=server.reserved - 1))
