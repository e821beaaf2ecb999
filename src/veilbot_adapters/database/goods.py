"""What is sold, and the servers that serve it."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update

from veilbot_adapters.database import rows, tables
from veilbot_adapters.database.repository import Repository
from veilbot_adapters.database.statements import Statement, by_id, constant, insert_unknown, lock_by_id, update_row
from veilbot_core.domain.ids import ServerId, TariffId
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Tariff
from veilbot_core.ports import repositories as ports

_tariffs, _servers = tables.tariffs, tables.servers

_TARIFF = by_id(_tariffs)
_TARIFFS = Statement(select(_tariffs).order_by(_tariffs.c.id))
_ADD_TARIFF = insert_unknown(_tariffs)
_SAVE_TARIFF = update_row(_tariffs)

_SERVER = by_id(_servers)
_LOCK_SERVER = lock_by_id(_servers)
_SERVERS = Statement(select(_servers).order_by(_servers.c.id))
_ADD_SERVER = insert_unknown(_servers)
_SAVE_SERVER = update_row(_servers, but=frozenset({"reserved"}))
_TAKE_PLACE = Statement(
    update(_servers)
    .where(
        _servers.c.id == bindparam("id"),
        _servers.c.status == constant(ServerStatus.ACTIVE),
        _servers.c.reserved < _servers.c.capacity,
    )
    .values(reserved=_servers.c.reserved + 1)
)
_FREE_PLACE = Statement(
    update(_servers)
    .where(_servers.c.id == bindparam("id"), _servers.c.reserved > 0)
    .values(reserved=_servers.c.reserved - 1)
)


class Tariffs(Repository, ports.Tariffs):
    """What is sold; there are few."""

    __slots__ = ()

    def get(self, tariff_id: TariffId) -> Tariff:
        """Return the tariff. Raises NotFound."""
        return rows.to_tariff(self._get(_TARIFF, {"id": tariff_id}))

    def all(self) -> Sequence[Tariff]:
        """Return every tariff, archived ones too, oldest first."""
        return [rows.to_tariff(row) for row in self._session.all(_TARIFFS, {})]

    def add(self, tariff: Tariff) -> None:
        """Insert. Raises AlreadyExists."""
        self._add(_ADD_TARIFF, rows.from_tariff(tariff))

    def save(self, tariff: Tariff) -> None:
        """Write a changed tariff. Raises NotFound."""
        self._save(_SAVE_TARIFF, rows.from_tariff(tariff))


class Servers(Repository, ports.Servers):
    """VPN servers; there are few."""

    __slots__ = ()

    def get(self, server_id: ServerId) -> Server:
        """Return the server. Raises NotFound."""
        return rows.to_server(self._get(_SERVER, {"id": server_id}))

    def lock(self, server_id: ServerId) -> Server:
        """Return the server for a change. Raises NotFound."""
        return rows.to_server(self._get(_LOCK_SERVER, {"id": server_id}))

    def all(self) -> Sequence[Server]:
        """Return every server, oldest first."""
        return [rows.to_server(row) for row in self._session.all(_SERVERS, {})]

    def add(self, server: Server) -> None:
        """Insert. Raises AlreadyExists for a known id or name."""
        self._add(_ADD_SERVER, rows.from_server(server))

    def save(self, server: Server) -> None:
        """Write a changed server, all but ``reserved``. Raises NotFound."""
        self._save(_SAVE_SERVER, rows.from_server(server))

    def take_place(self, server_id: ServerId) -> bool:
        """Reserve one place in one conditional statement; False when it is full, not active or unknown."""
        return self._session.change(_TAKE_PLACE, {"id": server_id}) == 1

    def free_place(self, server_id: ServerId) -> None:
        """Give one place back; never below zero."""
        self._session.put(_FREE_PLACE, {"id": server_id})
