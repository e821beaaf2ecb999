"""Postgres: a pool of connections, one for each unit of work that runs."""

from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import URL

from veilbot_adapters.database.database import WAITING, Database, check_revision, told, too_busy, wrong_schema
from veilbot_adapters.database.lines import Line, Pool, opener
from veilbot_core.domain.errors import PortError, Rejected, Unavailable, Unknown
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.storage import UnitOfWork

T = TypeVar("T")

_POOL = 8
_PATIENCE = 10.0
"""Seconds to wait for a connection."""
_TRIES = _POOL + 2
"""More than a restarted server leaves dead connections in the pool."""
_SERVER_SETTINGS = {
    "application_name": "veilbot",
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "jit": "off",  # no statement here runs long enough to be worth compiling
}


_WRITE = "BEGIN"
_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_OUTDATED = (asyncpg.InvalidCachedStatementError, asyncpg.OutdatedSchemaCacheError)
"""The schema changed under what a line had prepared."""
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What a driver raises; a TimeoutError is an OSError."""
_UNSOUND = (*_OUTDATED, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""After these nobody knows what the server does on the line, or what asyncpg believes."""


class PostgresDatabase(Database):
    """A database on a server, for any number of processes."""

    def __init__(self, url: URL, doorbell: Doorbell, clock: Clock) -> None:
        self._doorbell = doorbell
        self._clock = clock
        self._closed = False
        self._inside = 0
        self._pool = Pool(opener(url, _SERVER_SETTINGS), _POOL, _PATIENCE)

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a transaction that is durable when this returns."""
        return await self._run(_WRITE, work)

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` on a consistent snapshot."""
        return await self._run(_READ, work)

    async def check(self) -> None:
        """Prove that the server answers and has the schema that this version needs."""
        await self._run(_READ, check_revision)

    async def close(self) -> None:
        """Let go of every connection."""
        self._closed = True
        await self._pool.close()

    async def _run(self, begin: str, work: Callable[[Any], T]) -> T:
        if self._closed:
            raise Unavailable("the database is closed")
        if self._inside >= WAITING + _POOL:
            raise too_busy()
        self._inside += 1
        try:
            return await self._try(begin, work)
        finally:
            self._inside -= 1

    async def _try(self, begin: str, work: Callable[[Any], T]) -> T:
        for number in range(1, _TRIES + 1):
            attempt = _Attempt()
            try:
                result = await self._transact(begin, work, attempt)
            except _FAILURES as error:
                self._judge(attempt, error, last=number == _TRIES)
                await self._clock.sleep(0.005 * (number - 1))
                continue
            if attempt.asked:
                self._doorbell.ring()
            return result
        raise Unavailable("the database is too busy")

    async def _transact(self, begin: str, work: Callable[[Any], T], attempt: "_Attempt") -> T:
        line = await self._pool.take()
        attempt.line = line
        try:
            result = await line.run(work, begin, writes=begin == _WRITE)
        except BaseException as error:
            attempt.committing = line.committing
            await self._roll_back(line, error, broken=attempt.broken(error))
            raise
        attempt.asked = line.asked
        self._pool.give(line)
        return result

    async def _roll_back(self, line: Line, error: BaseException, *, broken: bool) -> None:
        """Make a line ready for others, if it is known in what state it is.

        A cancellation may come while a statement is on its way, and a line that another uses in between is worse than
        one that must be opened anew.
        """
        sound = isinstance(error, Exception) and not isinstance(error, _UNSOUND) and not broken
        if not sound:
            self._pool.drop(line)
            return
        try:
            await line.roll_back()
        except BaseException as trouble:
            self._pool.drop(line)
            if not isinstance(trouble, _FAILURES):
                raise
        else:
            self._pool.give(line)

    def _judge(self, attempt: "_Attempt", error: Exception, *, last: bool) -> None:
        """Return if the work may be tried again; otherwise raise what became of it."""
        state = _state(error)
        lost = attempt.broken(error)
        unsent = isinstance(error, asyncpg.DataError)  # a value that does not fit its column
        if attempt.committing and (lost or state is None) and not unsent:
            raise Unknown("the connection broke during the commit") from error
        # What a restarted server left in the pool is found out here, not by a ping before every unit of work.
        stale = (lost and attempt.line is not None) or isinstance(error, _OUTDATED)
        if not last and (stale or state in {"40001", "40P01"}):
            return
        raise _translated(error, state, lost=lost) from error


class _Attempt:
    """What is known of one run of a unit of work."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self.asked = False
        self.committing = False

    def broken(self, error: BaseException) -> bool:
        """Whether the connection is of no more use."""
        state = _state(error)
        ended = state is not None and (state.startswith("08") or state in {"57P01", "57P02", "57P03"})
        return ended or (self.line is not None and self.line.dead)


def _state(error: BaseException) -> str | None:
    """Return the SQLSTATE (PostgreSQL, appendix A) of a driver's error."""
    state = getattr(error, "sqlstate", None)
    return None if state is None else str(state)


def _translated(error: Exception, state: str | None, *, lost: bool) -> Exception:
    """Say in our words what the server refused; a mistake of ours stays as it is."""
    if state in {"42P01", "42703"}:
        return wrong_schema()
    if state == "25006":
        return Rejected("the database is read-only here")
    outage = ("08", "28", "3D", "40", "53", "55P03", "57", "25P03")
    if state is not None and not state.startswith(outage):
        return error
    if state is None and not lost and not isinstance(error, OSError):
        return error
    reason: PortError = Unavailable(f"the database server cannot be reached ({told(error)})")
    return reason
