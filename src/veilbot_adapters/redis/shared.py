"""Shared: everything that a process has of one Redis, put together."""

from contextlib import AbstractAsyncContextManager

from veilbot_adapters.redis.cache import RedisCache
from veilbot_adapters.redis.connection import RedisConnection
from veilbot_adapters.redis.doorbell import RedisDoorbell
from veilbot_adapters.redis.limiter import RedisLimiter
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids


class SharedRedis:
    """Three adapters on one watched connection; `open` it before they are used."""

    def __init__(self, url: str, clock: Clock, ids: Ids, *, prefix: str = "veilbot") -> None:
        """Put it together. Raises InvalidInput for what is no address."""
        self.connection = RedisConnection(url, clock, ids, prefix=prefix)
        self.cache = RedisCache(self.connection, clock)
        self.limiter = RedisLimiter(self.connection)
        self.doorbell = RedisDoorbell(self.connection)

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect, and stay connected until the end. Raises Unavailable, InvalidInput."""
        return self.connection.open()
