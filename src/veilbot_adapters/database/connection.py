"""One thread's connection to a SQLite file; opened when it is first needed, and again after a failure."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.dialects.sqlite import pysqlite

from veilbot_adapters.database.calls import Call
from veilbot_adapters.database.database import wrong_schema
from veilbot_adapters.database.session import Session
from veilbot_adapters.database.unit import DatabaseUnitOfWork
from veilbot_core.domain.errors import Rejected, Unavailable, Unknown

_DIALECT = pysqlite.dialect()
_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""


class Connection:
    """Runs units of work in transactions; belongs to one thread."""

    def __init__(self, path: Path, *, writes: bool) -> None:
        self._path = path
        self._writes = writes
        self._open: tuple[sqlite3.Connection, DatabaseUnitOfWork] | None = None

    def begin(self) -> None:
        """Take the right to write. Raises sqlite3.Error."""
        connection, _ = self._opened()
        connection.execute("BEGIN IMMEDIATE")

    def write(self, call: Call) -> None:
        """Run a unit of work in a savepoint, so that its failure is its own.

        Raises:
            sqlite3.Error: the whole transaction is lost (a full disk ends it).
        """
        connection, uow = self._opened()
        connection.execute("SAVEPOINT unit")
        call.run(uow)
        if call.error is not None:
            connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")
        if isinstance(call.error, sqlite3.Error):
            call.fail(translated(call.error))

    def commit(self, group: Sequence[Call]) -> None:
        """Make the group durable; a failed commit fails all of it."""
        connection, _ = self._opened()
        try:
            connection.execute("COMMIT")
        except sqlite3.Error:
            self.close()
            for call in group:
                call.fail(Unknown("the commit failed"))

    def drop(self, group: Sequence[Call], error: Exception) -> None:
        """Give up a transaction that failed as a whole."""
        self.close()
        for call in group:
            call.fail(translated(error))

    def read(self, call: Call) -> None:
        """Run a unit of work on one snapshot."""
        try:
            connection, uow = self._opened()
            connection.execute("BEGIN")
            call.run(uow)
            connection.execute("ROLLBACK")
        except Exception as error:  # noqa: BLE001 - whatever it is, its caller must hear of it
            self.drop([call], error)
        else:
            if isinstance(call.error, sqlite3.Error):
                call.fail(translated(call.error))

    def close(self) -> None:
        """Let go of the file; what was not committed is rolled back."""
        if self._open is not None:
            self._open[0].close()
            self._open = None

    def _opened(self) -> tuple[sqlite3.Connection, DatabaseUnitOfWork]:
        if self._open is None:
            # mode=rw: an address that is mistyped is an error, not a new and empty shop
            connection = sqlite3.connect(
                f"file:{quote(str(self._path))}?mode=rw",
                uri=True,
                timeout=_PATIENCE,
                isolation_level=None,
                cached_statements=512,
            )
            mode = ("journal_mode=WAL", "synchronous=FULL") if self._writes else ("query_only=ON",)
            try:
                for pragma in ("foreign_keys=ON", "cache_size=-8000", "temp_store=MEMORY", *mode):
                    connection.execute(f"PRAGMA {pragma}")
            except sqlite3.Error:
                connection.close()
                raise
            session = Session(connection.cursor(), _DIALECT, sqlite3.IntegrityError)
            self._open = (connection, DatabaseUnitOfWork(session))
        return self._open


def translated(error: Exception) -> Exception:
    """Say in our words what SQLite refused; a mistake of ours stays as it is."""
    text = str(error)
    if text.startswith(("no such table", "no such column")):
        return wrong_schema()
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_READONLY", "SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return Rejected(f"the database's file cannot be used: {text}")
    if isinstance(error, sqlite3.OperationalError) and name != "SQLITE_ERROR":
        return Unavailable(f"the database's file cannot be reached: {text}")
    return error
