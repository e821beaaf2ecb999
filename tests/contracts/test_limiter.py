"""The contract of the limiter port, over every limiter."""

from collections.abc import AsyncIterator

import pytest
from tests.shared_redis import ends

from veilbot_adapters.memory import MemoryClock, MemoryLimiter
from veilbot_adapters.testing.limiter import LimiterContract, LimiterSubject


class TestMemory(LimiterContract):
    @pytest.fixture
    def subject(self) -> LimiterSubject:
        clock = MemoryClock()
        return LimiterSubject(limiter=MemoryLimiter(clock), elapse=clock.advance)


class TestRedis(LimiterContract):
    @pytest.fixture
    async def subject(self, redis_url: str) -> AsyncIterator[LimiterSubject]:
        async with ends(redis_url) as (end,):
            yield LimiterSubject(limiter=end.limiter, elapse=end.elapse)
