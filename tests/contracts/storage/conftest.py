"""The storages that the contract is run over."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from veilbot_adapters.database import connect
from veilbot_adapters.memory.storage import MemoryStorage
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.storage import Storage


class Bell(Doorbell):
    """Counts its rings."""

    def __init__(self) -> None:
        self.rings = 0

    def ring(self) -> None:
        asyncio.get_running_loop()  # raises when it is rung from another thread
        self.rings += 1

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class WallClock(Clock):
    """The real time; a storage needs it to wait between attempts."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def storage(request: pytest.FixtureRequest, bell: Bell) -> AsyncIterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage(bell, WallClock())
        return
    database = connect(request.getfixturevalue(f"{request.param}_url"), bell, WallClock())
    yield database
    await database.close()
