"""The contract of the doorbell port."""

import asyncio

import pytest

from veilbot_adapters.memory import MemoryDoorbell
from veilbot_adapters.system import SystemClock
from veilbot_core.ports.doorbell import Doorbell


@pytest.fixture(params=["memory", "memory on a clock"])
def doorbell(request: pytest.FixtureRequest) -> Doorbell:
    return MemoryDoorbell() if request.param == "memory" else MemoryDoorbell(SystemClock())


class TestDoorbell:
    def test_is_a_doorbell(self, doorbell: Doorbell) -> None:
        assert isinstance(doorbell, Doorbell)

    async def test_a_ring_wakes_who_waits(self, doorbell: Doorbell) -> None:
        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            waits = [group.create_task(doorbell.wait(60)) for _ in range(3)]
            await asyncio.sleep(0.01)
            assert not any(wait.done() for wait in waits)
            doorbell.ring()

    async def test_a_ring_before_the_wait_is_heard_once(self, doorbell: Doorbell) -> None:
        doorbell.ring()
        doorbell.ring()
        async with asyncio.timeout(5):
            await doorbell.wait(60)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await doorbell.wait(60)

    async def test_without_a_ring_the_wait_ends_by_itself(self, doorbell: Doorbell) -> None:
        async with asyncio.timeout(5):
            await doorbell.wait(0.01)
            await doorbell.wait(0.0)

    async def test_a_cancelled_wait_loses_no_later_ring(self, doorbell: Doorbell) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await doorbell.wait(60)
        doorbell.ring()
        async with asyncio.timeout(5):
            await doorbell.wait(60)
