"""A cache as an outsider would write it, proved by the contract; nothing here is ours but the core and the contract."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from veilbot_adapters.testing.cache import CacheContract, CacheSubject
from veilbot_core.ports.cache import Cache


class FileCache(Cache):
    """Answers in an SQLite file, shared by the processes of one machine."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("CREATE TABLE IF NOT EXISTS shelf (name TEXT PRIMARY KEY, value BLOB, ends REAL)")
        self._now = now
        self._making: dict[str, asyncio.Future[bytes]] = {}

    async def get(self, name: str) -> bytes | None:
        found = self._database.execute("SELECT value FROM shelf WHERE name = ? AND ends > ?", (name, self._now()))
        row = found.fetchone()
        return None if row is None else bytes(row[0])

    async def set(self, name: str, value: bytes, seconds: float) -> None:
        self._database.execute("REPLACE INTO shelf VALUES (?, ?, ?)", (name, value, self._now() + seconds))

    async def drop(self, name: str) -> None:
        self._database.execute("DELETE FROM shelf WHERE name = ?", (name,))

    async def fetch(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        while (kept := await self.get(name)) is None:
            making = self._making.get(name)
            if making is None:
                return await self._make(name, seconds, make)
            await asyncio.wait([making])
            if not making.cancelled():
                return making.result()
        return kept

    async def _make(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        mine = self._making[name] = asyncio.get_running_loop().create_future()
        try:
            value = await make()
            await self.set(name, value, seconds)
        except Exception as error:
            mine.set_exception(error)
            mine.exception()  # nobody may be waiting
            raise
        else:
            mine.set_result(value)
            return value
        finally:
            del self._making[name]
            mine.cancel()

    def close(self) -> None:
        self._database.close()


class TestFileCache(CacheContract):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Iterator[CacheSubject]:
        now = 0.0

        async def elapse(seconds: float) -> None:
            nonlocal now
            now += seconds

        cache = FileCache(tmp_path / "shelf.db", now=lambda: now)
        yield CacheSubject(cache=cache, elapse=elapse)
        cache.close()
