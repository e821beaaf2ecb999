"""The database: SQLite in a file, or Postgres on a server; the same tables, statements and promises.

Each library is imported only where it is used: a shop on SQLite never loads asyncpg, and only the one who migrates
loads Alembic.
"""

# ruff: noqa: PLC0415  (see above)

from veilbot_adapters.database.database import Database, file_of, parse, up_to_date
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell

__all__ = ["Database", "connect", "migrate", "pending"]


def connect(url: str, doorbell: Doorbell, clock: Clock) -> Database:
    """Return the storage at ``url``; nothing is opened before it is used.

    ``url`` is ``sqlite+aiosqlite:///path`` (or ``sqlite:///path``) or ``postgresql+asyncpg://user:password@host/name``.

    Raises:
        InvalidInput: it is neither.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        from veilbot_adapters.database.sqlite import SqliteDatabase

        return SqliteDatabase(file_of(parsed), doorbell, clock)
    from veilbot_adapters.database.postgres import PostgresDatabase

    return PostgresDatabase(parsed, doorbell, clock)


async def migrate(url: str) -> list[str]:
    """Bring the schema up to date; several processes may do so at once. Returns the revisions it applied.

    Raises:
        InvalidInput: ``url`` is not an address that we know.
        Unavailable: the database cannot be reached.
        Rejected: its schema is newer than this version.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite" and up_to_date(file_of(parsed)):
        return []  # without Alembic, which would stay in the memory of the shop that runs on: 14 MB
    from veilbot_adapters.database.schema import upgrade

    return await upgrade(parsed)


async def pending(url: str) -> list[str]:
    """Return the revisions that `migrate` would apply, oldest first; changes nothing. Raises as `migrate`."""
    from veilbot_adapters.database.schema import missing

    return await missing(parse(url))
