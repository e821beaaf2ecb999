"""The contract of the clock port, over every clock."""

import asyncio

import pytest

from veilbot_adapters.memory import MemoryClock
from veilbot_adapters.system import SystemClock
from veilbot_adapters.testing.clock import ClockContract, ClockSubject


class TestSystem(ClockContract):
    @pytest.fixture
    def subject(self) -> ClockSubject:
        return ClockSubject(clock=SystemClock(), elapse=asyncio.sleep)


class TestMemory(ClockContract):
    @pytest.fixture
    def subject(self) -> ClockSubject:
        clock = MemoryClock()
        return ClockSubject(clock=clock, elapse=clock.advance)
