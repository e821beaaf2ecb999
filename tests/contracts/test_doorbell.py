"""The contract of the doorbell port, over every doorbell."""

from collections.abc import AsyncIterator

import pytest
from tests.shared_redis import ends

from veilbot_adapters.memory import MemoryDoorbell
from veilbot_adapters.system import SystemClock
from veilbot_adapters.testing.doorbell import DoorbellContract
from veilbot_core.ports.doorbell import Doorbell


class TestMemory(DoorbellContract):
    @pytest.fixture(params=["alone", "on a clock"])
    def subject(self, request: pytest.FixtureRequest) -> Doorbell:
        return MemoryDoorbell() if request.param == "alone" else MemoryDoorbell(SystemClock())


class TestRedis(DoorbellContract):
    @pytest.fixture
    async def subject(self, redis_url: str) -> AsyncIterator[Doorbell]:
        async with ends(redis_url) as (end,):
            yield end.doorbell
