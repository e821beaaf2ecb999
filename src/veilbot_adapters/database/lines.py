"""Lines to a Postgres server: asyncpg's connections under synchronous units of work, and a pool of them.

SQLAlchemy writes the statements; they run on asyncpg itself. Its own adapter to asyncpg describes every result anew
and costs three times what the statement does. A unit of work runs on a greenlet, as SQLAlchemy's would: each statement
switches to the event loop and back, on one thread.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL, Dialect
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.util import await_only, greenlet_spawn

from veilbot_adapters.database.gathering import GatheringSession
from veilbot_adapters.database.unit import DatabaseUnitOfWork
from veilbot_core.domain.errors import Conflict

T = TypeVar("T")

DIALECT: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
"""What writes the statements; it needs no driver for that."""
_PREPARED = 256
"""Statements that a connection remembers; the server keeps a plan of each."""
Driver = Any
"""An `asyncpg.Connection`, which has no types."""
Opener = Callable[[], Awaitable[Driver]]


def opener(url: URL, server_settings: Mapping[str, str]) -> Opener:
    """Return what opens a connection to the server at ``url``."""
    _, where = DIALECT.create_connect_args(url)
    given = {"timeout": 5, "command_timeout": 20, **where, "server_settings": dict(server_settings)}
    return lambda: asyncpg.connect(**given)


class Cursor:
    """What a session needs of a connection; each text is prepared once."""

    __slots__ = ("_begin", "_driver", "_known", "_rows", "_status", "_writes", "begun", "committing")

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._known: dict[str, Any] = {}
        self._rows: Iterator[Any] = iter(())
        self._status = ""
        self.start("BEGIN", writes=False)

    def start(self, begin: str, *, writes: bool) -> None:
        """Let the first statement begin a transaction with the words ``begin``."""
        self._begin = begin
        self._writes = writes
        self.begun = False
        self.committing = False
        """Whether something was sent that commits."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched, or -1: the last word of ``INSERT 0 1``, ``UPDATE 1``."""
        _, _, count = self._status.rpartition(" ")
        return int(count) if count.isdigit() else -1

    def execute(self, operation: str, parameters: Sequence[Any], /) -> None:
        """Run once."""
        await_only(self._run(operation, parameters))

    def execute_alone(self, operation: str, parameters: Sequence[Any], /) -> None:
        """Run a statement that is a transaction of its own."""
        await_only(self._run(operation, parameters, alone=self._writes))
        self.committing = False

    def executemany(self, operation: str, parameters: Sequence[Sequence[Any]], /) -> None:
        """Run once per row, all in one round trip; how many rows were touched is not told."""
        await_only(self._run_many(operation, parameters))

    def fetchone(self) -> Any:  # noqa: ANN401 - a record
        """Return the next row or None."""
        return next(self._rows, None)

    def fetchall(self) -> Sequence[Any]:
        """Return all rows."""
        return list(self._rows)

    async def _run(self, operation: str, parameters: Sequence[Any], *, alone: bool = False) -> None:
        if not (alone or self.begun):
            await self._start()
        prepared = await self._prepared(operation)
        self.committing = alone and not self._driver.is_closed()
        self._rows = iter(await prepared.fetch(*parameters))
        self._status = prepared.get_statusmsg()

    async def _run_many(self, operation: str, parameters: Sequence[Sequence[Any]]) -> None:
        if not self.begun:
            await self._start()
        prepared = await self._prepared(operation)
        self._rows, self._status = iter(()), ""
        await prepared.executemany(parameters)

    async def _start(self) -> None:
        await self._driver.execute(self._begin)
        self.begun = True

    async def _prepared(self, operation: str) -> Any:  # noqa: ANN401 - asyncpg has no types
        """Return the statement, prepared now if it is new; what was not used for the longest time is forgotten."""
        prepared = self._known.pop(operation, None)
        if prepared is None:
            prepared = await self._driver.prepare(operation)
            if len(self._known) >= _PREPARED:
                del self._known[next(iter(self._known))]
        self._known[operation] = prepared
        return prepared


class Line:
    """One connection, and the unit of work that runs on it."""

    __slots__ = ("_cursor", "_session", "_uow", "driver")

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self._cursor = Cursor(driver)
        self._session = GatheringSession(self._cursor, DIALECT, asyncpg.IntegrityConstraintViolationError)
        self._uow = DatabaseUnitOfWork(self._session)

    @property
    def asked(self) -> bool:
        """Whether the last unit of work asked for work."""
        return self._session.asked

    @property
    def dead(self) -> bool:
        """Whether it is known to be closed; no server was asked."""
        return bool(self.driver.is_closed())

    @property
    def committing(self) -> bool:
        """Whether something was sent that commits, and no answer came."""
        return self._cursor.committing

    async def run(self, work: Callable[[Any], T], begin: str, *, writes: bool) -> T:
        """Run a unit of work in a transaction.

        Raises:
            Conflict: one of its statements had failed, and it went on all the same; nothing was written.
        """
        self._cursor.start(begin, writes=writes)
        self._session.begin()
        result: T = await greenlet_spawn(self._through, work)
        if self._cursor.begun:
            self._cursor.committing = True
            ended = await self.driver.execute("COMMIT")
            self._cursor.begun = False
            if ended != "COMMIT":
                raise Conflict("the transaction had failed already")
        return result

    async def roll_back(self) -> None:
        """End a transaction that failed."""
        if self._cursor.begun:
            await self.driver.execute("ROLLBACK")

    def _through(self, work: Callable[[Any], T]) -> T:
        result = work(self._uow)
        self._session.end()
        return result


class Pool:
    """Lines that are opened when they are needed; the one that was used last is taken first."""

    def __init__(self, connect: Opener, size: int, patience: float) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(size)
        self._patience = patience
        self._idle: list[Line] = []
        self._closed = False

    async def take(self) -> Line:
        """Return a line that is not known to be dead; it must be given back or dropped.

        Raises:
            TimeoutError: all were busy for too long.
            OSError, asyncpg.PostgresError: the server cannot be reached, or does not let us in.
        """
        if self._slots.locked():
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        else:
            await self._slots.acquire()  # at once
        while self._idle:
            line = self._idle.pop()
            if not line.dead:
                return line
        try:
            return Line(await self._connect())
        except BaseException:
            self._slots.release()
            raise

    def give(self, line: Line) -> None:
        """Take back a line with no transaction on it."""
        if self._closed:
            line.driver.terminate()
        else:
            self._idle.append(line)
        self._slots.release()

    def drop(self, line: Line) -> None:
        """Take back a line that nobody may use again."""
        line.driver.terminate()
        self._slots.release()

    async def close(self) -> None:
        """Close the lines that nobody uses, now, and the others when they are given back."""
        self._closed = True
        while self._idle:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # gone already
                await self._idle.pop().driver.close(timeout=5)
