"""SQLite: one writer thread that commits in groups, and a few readers.

A unit of work costs one hop to a thread, not one per statement. The writer takes whatever waits into one transaction,
each unit of work in a savepoint of its own, and nobody hears of it before the commit: with ``synchronous=FULL`` the
disk is asked once per group. Readers see one snapshot each (WAL) and never wait for the writer.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from veilbot_adapters.database.calls import Call, deliver
from veilbot_adapters.database.connection import Connection
from veilbot_adapters.database.database import WAITING, Database, check_revision, too_busy, wrong_schema
from veilbot_core.domain.errors import Unavailable
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.storage import UnitOfWork

T = TypeVar("T")

_READERS = 2
_GROUP = 128
"""Units of work in one commit, at most."""
_GROUP_SECONDS = 0.01
"""How long a group may grow."""


class SqliteDatabase(Database):
    """A database in a file, for one process that serves and others that look in."""

    def __init__(self, path: Path, doorbell: Doorbell, clock: Clock) -> None:
        self._path = path
        self._doorbell = doorbell
        self._clock = clock
        self._writes: SimpleQueue[Call | None] = SimpleQueue()
        self._reads: SimpleQueue[Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a transaction that is durable when this returns."""
        return await self._submit(self._writes, work)

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` on a consistent snapshot."""
        return await self._submit(self._reads, work)

    async def check(self) -> None:
        """Prove that the file is there and has the schema that this version needs."""
        if not self._path.exists():
            raise wrong_schema()
        await self._submit(self._reads, check_revision)

    async def close(self) -> None:
        """Finish what was begun and end the threads."""
        with self._lock:
            threads = [] if self._closed else self._threads
            self._closed = True
            if threads:
                self._writes.put(None)
                for _ in range(_READERS):
                    self._reads.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)

    async def _submit(self, queue: "SimpleQueue[Call | None]", work: Callable[..., T]) -> T:
        call = Call(work)
        with self._lock:
            if self._closed:
                raise Unavailable("the database is closed")
            if queue.qsize() >= WAITING:
                raise too_busy()
            if not self._threads:
                self._start()
            queue.put(call)
        result: T = await call.future
        return result

    def _start(self) -> None:
        targets = [self._serve_writes] + [self._serve_reads] * _READERS
        self._threads = [
            threading.Thread(target=target, name=f"sqlite-{number}", daemon=True)
            for number, target in enumerate(targets)
        ]
        for thread in self._threads:
            thread.start()

    def _serve_reads(self) -> None:
        connection = Connection(self._path, writes=False)
        while (call := self._reads.get()) is not None:
            connection.read(call)
            deliver([call], self._doorbell)
        connection.close()

    def _serve_writes(self) -> None:
        connection = Connection(self._path, writes=True)
        goes_on = True
        while goes_on and (call := self._writes.get()) is not None:
            group = [call]
            goes_on = self._commit(connection, group)
            deliver(group, self._doorbell)
        connection.close()

    def _commit(self, connection: Connection, group: list[Call]) -> bool:
        """Run the first of the group and what waits behind it, and commit; say whether more may come."""
        goes_on = True
        try:
            end = self._clock.monotonic() + _GROUP_SECONDS
            connection.begin()
            connection.write(group[0])
            while len(group) < _GROUP and self._clock.monotonic() < end:
                try:
                    call = self._writes.get_nowait()
                except Empty:
                    break
                if call is None:
                    goes_on = False
                    break
                group.append(call)
                connection.write(call)
        except Exception as error:  # noqa: BLE001 - whatever it is, its callers must hear of it
            connection.drop(group, error)
        else:
            connection.commit(group)
        return goes_on
