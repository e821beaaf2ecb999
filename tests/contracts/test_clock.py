"""The contract of the clock port."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from veilbot_adapters.memory import MemoryClock
from veilbot_adapters.system import SystemClock
from veilbot_core.ports.clock import Clock

Elapse = Callable[[float], Awaitable[None]]


@pytest.fixture(params=["system", "memory"])
def timed(request: pytest.FixtureRequest) -> tuple[Clock, Elapse]:
    """Return a clock, and what makes its time pass while others sleep on it."""
    if request.param == "system":
        return SystemClock(), asyncio.sleep
    clock = MemoryClock()
    return clock, clock.advance


class TestClock:
    def test_is_a_clock(self, timed: tuple[Clock, Elapse]) -> None:
        assert isinstance(timed[0], Clock)

    def test_now_is_aware_and_in_utc(self, timed: tuple[Clock, Elapse]) -> None:
        assert timed[0].now().utcoffset() == timedelta(0)

    def test_monotonic_never_goes_back(self, timed: tuple[Clock, Elapse]) -> None:
        readings = [timed[0].monotonic() for _ in range(100)]
        assert readings == sorted(readings)

    async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before(self, timed: tuple[Clock, Elapse]) -> None:
        clock, elapse = timed
        began, wall = clock.monotonic(), clock.now()
        async with asyncio.TaskGroup() as group:
            sleeper = group.create_task(clock.sleep(0.05))
            await elapse(0.01)
            assert not sleeper.done()
            await elapse(0.05)
        assert clock.monotonic() - began >= 0.05
        assert clock.now() - wall >= timedelta(seconds=0.05)

    async def test_sleeping_no_time_lets_others_run(self, timed: tuple[Clock, Elapse]) -> None:
        ran = []

        async def other() -> None:
            ran.append(True)

        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            await timed[0].sleep(0)
            assert ran

    async def test_a_sleeper_can_be_cancelled(self, timed: tuple[Clock, Elapse]) -> None:
        clock, elapse = timed
        async with asyncio.TaskGroup() as group:
            sleeper = group.create_task(clock.sleep(60))
            await elapse(0.001)
            sleeper.cancel()
        assert sleeper.cancelled()
