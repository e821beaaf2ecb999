"""Bringing the schema up to date."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from veilbot_adapters.database.database import file_of, told, wrong_schema
from veilbot_core.domain.errors import Unavailable

_LOCK = 0x7665696C  # "veil": the advisory lock that keeps two processes from migrating at once


def config(connection: Connection, applied: list[str] | None = None) -> Config:
    """Return Alembic's settings for the migrations in this package, on an open connection."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    settings.attributes["applied"] = [] if applied is None else applied
    return settings


async def upgrade(url: URL) -> list[str]:
    """Apply what is missing, in one transaction, one process at a time."""
    applied: list[str] = []

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        if _missing(connection):
            command.upgrade(config(connection, applied), "head")

    async with transaction(url) as connection:
        await connection.run_sync(work)
    return applied


async def missing(url: URL) -> list[str]:
    """Return what `upgrade` would apply; a file that is not there stays so."""
    if url.get_backend_name() == "sqlite" and not file_of(url).exists():
        return _after(None)
    async with transaction(url) as connection:
        return await connection.run_sync(_missing)


@asynccontextmanager
async def transaction(url: URL) -> AsyncIterator[AsyncConnection]:
    """Open a connection of its own with a transaction that commits at the end.

    On SQLite without foreign keys: rebuilding a table would delete the rows that refer to it.
    """
    lite = url.get_backend_name() == "sqlite"
    if lite and not file_of(url).parent.is_dir():
        raise Unavailable(f"the database cannot be made: there is no folder {file_of(url).parent}")
    if lite:
        _keep_to_ourselves(file_of(url))
    url = url.set(drivername="sqlite+aiosqlite", database=str(file_of(url))) if lite else url
    patience = {"timeout": 60 if lite else 5}
    engine = create_async_engine(url, poolclass=NullPool, connect_args=patience)
    if lite:
        event.listen(engine.sync_engine, "connect", _own_transactions)
        event.listen(engine.sync_engine, "begin", _begin)
    try:
        async with engine.begin() as connection:
            yield connection
    except (DBAPIError, OSError) as error:
        raise Unavailable(f"the database cannot be migrated now: {told(error)}") from error
    finally:
        await engine.dispose()


def _keep_to_ourselves(path: Path) -> None:
    """Make the file, if there is none, for nobody else to read; what SQLite puts beside it is like it."""
    with suppress(OSError):  # what is wrong is found out and said by whoever opens it
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _own_transactions(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # otherwise the driver begins and commits as it likes
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _missing(connection: Connection) -> list[str]:
    return _after(MigrationContext.configure(connection).get_current_revision())


def _after(revision: str | None) -> list[str]:
    """Return the revisions after one, oldest first. Raises Rejected if this version does not know it."""
    scripts = ScriptDirectory(str(Path(__file__).parent / "migrations"))
    known = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    if revision is None:
        return known
    if revision not in known:
        raise wrong_schema(revision)
    return known[known.index(revision) + 1 :]
