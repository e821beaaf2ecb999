"""The contract of the clock port."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from veilbot_core.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSubject:
    """A clock, and its time."""

    clock: Clock
    elapse: Callable[[float], Awaitable[None]]
    """Let so many seconds pass while others sleep on the clock; `asyncio.sleep` does for a real one."""


@pytest.mark.asyncio
class ClockContract:
    """A `Clock` tells the time in UTC, seconds that never go back, and wakes nobody too early."""

    @pytest.fixture
    def subject(self) -> ClockSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_clock(self, subject: ClockSubject) -> None:
        assert isinstance(subject.clock, Clock)

    async def test_now_is_aware_and_in_utc(self, subject: ClockSubject) -> None:
        assert subject.clock.now().utcoffset() == timedelta(0)

    async def test_monotonic_never_goes_back(self, subject: ClockSubject) -> None:
        readings = [subject.clock.monotonic() for _ in range(100)]
        assert readings == sorted(readings)

    async def test_a_sleeper_wakes_when_its_time_has_come_and_not_before(self, subject: ClockSubject) -> None:
        clock, elapse = subject.clock, subject.elapse

        async def sleep() -> tuple[float, timedelta]:
            began, wall = clock.monotonic(), clock.now()
            await clock.sleep(0.05)
            return clock.monotonic() - began, clock.now() - wall

        async with asyncio.TaskGroup() as group:
            sleeper = group.create_task(sleep())
            await elapse(0.01)
            await elapse(0.05)
        slept, passed = sleeper.result()
        assert slept >= 0.05
        assert passed >= timedelta(seconds=0.05)

    async def test_sleeping_no_time_lets_others_run(self, subject: ClockSubject) -> None:
        ran = []

        async def other() -> None:
            ran.append(True)

        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            await subject.clock.sleep(0)
            assert ran

    async def test_a_sleeper_can_be_cancelled(self, subject: ClockSubject) -> None:
        clock, elapse = subject.clock, subject.elapse
        async with asyncio.TaskGroup() as group:
            sleeper = group.create_task(clock.sleep(60))
            await elapse(0.001)
            sleeper.cancel()
        assert sleeper.cancelled()
