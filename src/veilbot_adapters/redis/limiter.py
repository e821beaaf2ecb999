"""Limiter that all processes count in."""

from typing import Any, cast

from redis.asyncio import Redis

from veilbot_adapters.redis.connection import RedisConnection
from veilbot_core.ports.limiter import Limiter, Verdict

_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
"""One script is one step: nothing comes between the count and its window (redis.io, EVAL)."""


class RedisLimiter(Limiter):
    """A window opens at a name's first hit and ends by itself, for all processes at once."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._count: Any = None

    async def hit(self, name: str, limit: int, seconds: float) -> Verdict:
        """Count one in the name's window.

        Raises:
            Unavailable: Redis is down. Whether that lets one in or keeps one out is the caller's decision.
        """
        key = self._connection.key("limit", name)
        window = max(1, round(seconds * 1000))

        async def work(client: Redis) -> tuple[int, int]:
            if self._count is None:
                self._count = client.register_script(_COUNT)
            return cast("tuple[int, int]", tuple(await self._count(keys=[key], args=[window])))

        count, left = await self._connection.call(work)
        allowed = count <= limit
        # a key lives through its last millisecond
        wait = 0.0 if allowed else min(seconds, (left + 1) / 1000)
        return Verdict(allowed=allowed, remaining=max(0, limit - count), retry_after=wait)
