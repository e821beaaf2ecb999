"""Postgres: a pool of asyncpg connections, one for each unit of work that runs."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from veilbot_adapters.database.database import WAITING, Database, check_revision, told, too_busy, wrong_schema
from veilbot_adapters.database.session import Session
from veilbot_adapters.database.unit import DatabaseUnitOfWork
from veilbot_core.domain.errors import PortError, Rejected, Unavailable, Unknown
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.storage import UnitOfWork

T = TypeVar("T")

_POOL = 8
_TRIES = _POOL + 2
"""More than a restarted server leaves dead connections in the pool."""
_SERVER_SETTINGS = {
    "application_name": "veilbot",
    "statement_timeout": "15s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "jit": "off",  # no statement here runs long enough to be worth compiling
}


class PostgresDatabase(Database):
    """A database on a server, for any number of processes."""

    def __init__(self, url: URL, doorbell: Doorbell, clock: Clock) -> None:
        self._doorbell = doorbell
        self._clock = clock
        self._closed = False
        self._inside = 0
        self._writes = create_async_engine(
            url,
            pool_size=_POOL,
            max_overflow=0,
            pool_timeout=10,
            pool_use_lifo=True,
            connect_args={
                "timeout": 5,
                "command_timeout": 20,
                "prepared_statement_cache_size": 500,
                "server_settings": _SERVER_SETTINGS,
            },
        )
        self._reads = self._writes.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        event.listen(self._writes.sync_engine, "checkout", _refuse_closed)
        driver = self._writes.dialect.loaded_dbapi
        self._driver_error: type[Exception] = driver.Error
        self._outdated: type[Exception] = driver.InvalidCachedStatementError

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a transaction that is durable when this returns."""
        return await self._run(self._writes, work)

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` on a consistent snapshot."""
        return await self._run(self._reads, work)

    async def check(self) -> None:
        """Prove that the server answers and has the schema that this version needs."""
        await self._run(self._reads, check_revision)

    async def close(self) -> None:
        """Let go of every connection."""
        self._closed = True
        await self._writes.dispose()

    async def _run(self, engine: AsyncEngine, work: Callable[[Any], T]) -> T:
        if self._closed:
            raise Unavailable("the database is closed")
        if self._inside >= WAITING + _POOL:
            raise too_busy()
        self._inside += 1
        try:
            return await self._try(engine, work)
        finally:
            self._inside -= 1

    async def _try(self, engine: AsyncEngine, work: Callable[[Any], T]) -> T:
        for number in range(1, _TRIES + 1):
            attempt = _Attempt(work)
            try:
                result = await self._transact(engine, attempt)
            except (DBAPIError, self._driver_error, PoolTimeout, OSError) as error:  # TimeoutError is an OSError
                self._judge(attempt, error, last=number == _TRIES)
                await self._clock.sleep(0.005 * (number - 1))
                continue
            if attempt.asked:
                self._doorbell.ring()
            return result
        raise Unavailable("the database is too busy")

    async def _transact(self, engine: AsyncEngine, attempt: "_Attempt[T]") -> T:
        async with engine.connect() as connection:
            try:
                await connection.begin()
                result = await connection.run_sync(attempt)
                attempt.committing = True
                await connection.commit()
            except BaseException as error:
                if self._spoils(error) or attempt.broken(error):
                    await connection.invalidate()
                raise
        return result

    def _spoils(self, error: BaseException) -> bool:
        """Whether the connection must not be used again.

        A cancellation may come while BEGIN is on its way: asyncpg 0.32 then takes the connection for one inside a
        transaction, where the next unit of work would become a savepoint whose commit commits nothing.
        """
        return not isinstance(error, Exception) or isinstance(error, OSError | self._outdated)

    def _judge(self, attempt: "_Attempt[Any]", error: Exception, *, last: bool) -> None:
        """Return if the work may be tried again; otherwise raise what became of it."""
        state = _state(error)
        lost = attempt.broken(error)
        if attempt.committing and (lost or state is None):
            raise Unknown("the connection broke during the commit") from error
        # What a restarted server left in the pool is found out here, not by a ping before every unit of work.
        stale = (lost and attempt.driver is not None) or isinstance(error, self._outdated)
        if not last and (stale or state in {"40001", "40P01"}):
            return
        raise _translated(error, state) from error


class _Attempt(Generic[T]):
    """One run of a unit of work, on the greenlet where SQLAlchemy runs synchronous code."""

    def __init__(self, work: Callable[[UnitOfWork], T]) -> None:
        self._work = work
        self.driver: Any = None
        self.asked = False
        self.committing = False

    def __call__(self, connection: Connection) -> T:
        proxy = connection.connection
        self.driver = proxy.driver_connection
        session = Session(proxy.cursor(), connection.dialect)
        result = self._work(DatabaseUnitOfWork(session))
        self.asked = session.asked
        return result

    def broken(self, error: BaseException) -> bool:
        """Whether the connection is of no more use."""
        state = _state(error)
        ended = state is not None and (state.startswith("08") or state in {"57P01", "57P02", "57P03"})
        return ended or (self.driver is not None and self.driver.is_closed())


def _refuse_closed(connection: DBAPIConnection, _: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
    """Pass over a connection that is known to be closed, without asking the server; the pool makes a new one."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def _state(error: BaseException) -> str | None:
    """Return the SQLSTATE (PostgreSQL, appendix A) of a driver's error, wrapped or bare."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    return None if state is None else str(state)


def _translated(error: Exception, state: str | None) -> Exception:
    """Say in our words what the server refused; a mistake of ours stays as it is."""
    if state in {"42P01", "42703"}:
        return wrong_schema()
    if state == "25006":
        return Rejected("the database is read-only here")
    outage = ("08", "28", "3D", "40", "53", "55P03", "57", "25P03")
    if state is not None and not state.startswith(outage):
        return error
    if state is None and isinstance(error, DBAPIError) and not error.connection_invalidated:
        return error
    reason: PortError = Unavailable(f"the database server cannot be reached ({told(error)})")
    return reason
