"""The skeleton's books in bare SQL: ``sqlite3`` with one writer thread that commits in groups, or asyncpg.

A payment is noted once and its key with it, in one transaction; another notes that the key is there.
"""

import asyncio
import sqlite3
import threading
from abc import abstractmethod
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import asyncpg  # type: ignore[import-untyped]

_SCHEMA = """
CREATE TABLE payments (provider TEXT, external_id TEXT, order_id TEXT, PRIMARY KEY (provider, external_id));
CREATE TABLE keys (id TEXT PRIMARY KEY, order_id TEXT UNIQUE, server INTEGER, state TEXT, url TEXT);
"""
_POOL = 8
"""As many connections as a process of the product has."""
Work = Callable[[sqlite3.Cursor], Any]
Waiting = tuple[Work, "asyncio.Future[Any]"]


class Ledger(Protocol):
    """What the skeleton writes down."""

    @abstractmethod
    async def pay(self, payment: str, order_id: str, key_id: str, server: int) -> bool:
        """Note a payment and the key that is due; return False if it is known."""

    @abstractmethod
    async def issue(self, key_id: str, url: str) -> None:
        """Note that the key is there."""


async def open_ledger(address: str) -> Ledger:
    """Open a file, or a database by its address."""
    if not address.startswith("postgresql://"):
        return SqliteLedger(address)
    pool = await asyncpg.create_pool(address, min_size=_POOL, max_size=_POOL)
    await pool.execute(_SCHEMA)
    return PostgresLedger(pool)


class PostgresLedger(Ledger):
    """A pool of connections."""

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        self._pool = pool

    async def pay(self, payment: str, order_id: str, key_id: str, server: int) -> bool:
        """Write two rows, or none."""
        paid = "INSERT INTO payments VALUES ('stripe', $1, $2) ON CONFLICT DO NOTHING"
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.execute(paid, payment, order_id) != "INSERT 0 1":
                return False
            due = "INSERT INTO keys VALUES ($1, $2, $3, 'pending', NULL)"
            await connection.execute(due, key_id, order_id, server)
            return True

    async def issue(self, key_id: str, url: str) -> None:
        """Change a row."""
        await self._pool.execute("UPDATE keys SET state = 'issued', url = $1 WHERE id = $2", url, key_id)


class SqliteLedger(Ledger):
    """One thread, one connection, FULL; whatever waits goes into one commit."""

    def __init__(self, path: str) -> None:
        self._queue: SimpleQueue[Waiting] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._serve, args=(path,), daemon=True).start()

    async def pay(self, payment: str, order_id: str, key_id: str, server: int) -> bool:
        """Write two rows, or none."""

        def work(cursor: sqlite3.Cursor) -> bool:
            paid = ("stripe", payment, order_id)
            if not cursor.execute("INSERT OR IGNORE INTO payments VALUES (?, ?, ?)", paid).rowcount:
                return False
            cursor.execute("INSERT INTO keys VALUES (?, ?, ?, 'pending', NULL)", (key_id, order_id, server))
            return True

        return bool(await self._run(work))

    async def issue(self, key_id: str, url: str) -> None:
        """Change a row."""
        issued = "UPDATE keys SET state = 'issued', url = ? WHERE id = ?"
        await self._run(lambda cursor: cursor.execute(issued, (url, key_id)).rowcount)

    def _run(self, work: Work) -> "asyncio.Future[Any]":
        """Return a future that is done after the commit."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put((work, future))
        return future

    def _serve(self, path: str) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        schema = _SCHEMA.replace(");\n", ") WITHOUT ROWID;\n")
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + schema)
        cursor = connection.cursor()
        while True:
            group = [self._queue.get()]
            while len(group) < 128:
                try:
                    group.append(self._queue.get_nowait())
                except Empty:
                    break
            cursor.execute("BEGIN IMMEDIATE")
            done = [(future, work(cursor)) for work, future in group]
            cursor.execute("COMMIT")
            self._loop.call_soon_threadsafe(_settle, done)


def _settle(done: list[tuple["asyncio.Future[Any]", Any]]) -> None:
    for future, result in done:
        future.set_result(result)
