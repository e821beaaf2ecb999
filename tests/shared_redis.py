"""One end of a real Redis, as a process has one, on a clock that tests move."""

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis
from tests.waiting import PATIENCE

from veilbot_adapters.redis import RedisCache, RedisConnection, RedisDoorbell, RedisLimiter
from veilbot_adapters.system import SystemClock, SystemIds

_numbers = itertools.count(1)


class MovedClock(SystemClock):
    """Stands still but for what a test moves it, so that nothing ends on a machine that does; sleeps are real."""

    def __init__(self) -> None:
        self.moved = 0.0

    def monotonic(self) -> float:
        return self.moved


class End:
    """What one process has of a Redis."""

    def __init__(self, url: str, prefix: str, patience: float = PATIENCE) -> None:
        self.clock = MovedClock()
        ids = SystemIds(self.clock)
        self.connection = RedisConnection(url, SystemClock(), ids, prefix=prefix, patience=patience)
        self.cache = RedisCache(self.connection, self.clock)
        self.limiter = RedisLimiter(self.connection)
        self.doorbell = RedisDoorbell(self.connection)
        self._url = url

    async def elapse(self, seconds: float) -> None:
        """Let time pass here, and for every key of this test in Redis."""
        self.clock.moved += seconds
        async with Redis.from_url(self._url) as client:
            async for key in client.scan_iter(match=f"{self.connection.prefix}:*"):
                left = await client.pttl(key)
                await client.pexpire(key, left - round(seconds * 1000))


def prefix() -> str:
    """Return a prefix that no other test has."""
    return f"veilbot-{os.getpid()}-{next(_numbers)}"


@asynccontextmanager
async def ends(url: str, how_many: int = 1, *, patience: float = PATIENCE) -> AsyncIterator[list[End]]:
    """Open as many ends of one shop."""
    name = prefix()
    opened = [End(url, name, patience) for _ in range(how_many)]
    async with AsyncExitStack() as stack:
        for end in opened:
            await stack.enter_async_context(end.connection.open())
        yield opened
