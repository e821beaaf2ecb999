"""The contract of the cache port, over every cache."""

from collections.abc import AsyncIterator

import pytest
from tests.shared_redis import ends

from veilbot_adapters.memory import MemoryCache, MemoryClock
from veilbot_adapters.testing.cache import CacheContract, CacheSubject


class TestMemory(CacheContract):
    @pytest.fixture
    def subject(self) -> CacheSubject:
        clock = MemoryClock()
        return CacheSubject(cache=MemoryCache(clock), elapse=clock.advance)


class TestRedis(CacheContract):
    @pytest.fixture
    async def subject(self, redis_url: str) -> AsyncIterator[CacheSubject]:
        async with ends(redis_url) as (end,):
            yield CacheSubject(cache=end.cache, elapse=end.elapse)
