"""What both databases are: a storage that can be closed, at an address, with a schema of some revision."""

import sqlite3
from abc import abstractmethod
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, column, make_url, select, table
from sqlalchemy.exc import ArgumentError

from veilbot_adapters.database.statements import Statement
from veilbot_adapters.database.tables import REVISION
from veilbot_adapters.database.unit import DatabaseUnitOfWork
from veilbot_core.domain.errors import InvalidInput, Rejected, Unavailable, because
from veilbot_core.ports.storage import Storage

_REVISION = Statement(select(column("version_num", is_literal=False)).select_from(table("alembic_version")))

WAITING = 1000
"""Units of work that may wait for their turn; more are refused."""


class Database(Storage):
    """A storage that holds connections."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what was begun and let go of every connection; safe to call twice."""


def parse(url: str) -> URL:
    """Read the address of a database.

    Raises:
        InvalidInput: it is none that we know; the message repeats nothing of it.
    """
    forms = "sqlite+aiosqlite:///path or postgresql+asyncpg://user:password@host/name"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidInput(f"the database's address must look like {forms}", field="database_url") from None
    name = parsed.database or ""
    if parsed.drivername in {"sqlite", "sqlite+aiosqlite"}:
        if name in {"", ":memory:"} or name.startswith("file:"):
            raise InvalidInput("a SQLite database needs the path of a file", field="database_url")
    elif parsed.drivername != "postgresql+asyncpg" or not parsed.host or not name:
        raise InvalidInput(f"the database's address must look like {forms}", field="database_url")
    return parsed


def file_of(url: URL) -> Path:
    """Return the file of a SQLite database."""
    return Path(url.database or "").expanduser()


def up_to_date(path: Path) -> bool:
    """Say whether a SQLite file has the schema of this version; of anything unusual, say no."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
    except sqlite3.Error:
        return False


def check_revision(uow: DatabaseUnitOfWork) -> None:
    """Compare the schema's revision with the one that this version needs. Raises Rejected."""
    rows = uow.session.all(_REVISION, {})
    found = rows[0].version_num if rows else None
    if found != REVISION:
        raise wrong_schema(found)


def wrong_schema(found: str | None = None) -> Rejected:
    """Say that the schema is not ours, and what mends it."""
    if found is not None and found > REVISION:
        return Rejected(f"the database's schema {found} is newer than this version, which needs {REVISION}")
    return Rejected(f"the database's schema is {found or 'missing'}, {REVISION} is needed: run `veilbot migrate`")


def told(error: BaseException) -> str:
    """Return a driver's own sentence about what failed, or the system's; neither repeats a value or a password."""
    origin = getattr(error, "orig", None) or error
    origin = origin.__cause__ or origin
    if isinstance(origin, OSError | TimeoutError):
        return because(origin)
    return str(origin).partition("\n")[0] or because(origin)


def too_busy() -> Unavailable:
    """Say that too many wait already."""
    return Unavailable("the database has too much to do", retry_after=1.0)
