"""The contract of the failpoints port, over every adapter of it."""

import pytest

from veilbot_adapters.failing import ArmedFailpoints, NoFailpoints
from veilbot_adapters.memory import MemoryFailpoints
from veilbot_adapters.testing.failpoints import FailpointsContract
from veilbot_core.ports.failpoints import Failpoints, Point


class TestFailpoints(FailpointsContract):
    @pytest.fixture(params=["none", "armed", "memory"])
    def subject(self, request: pytest.FixtureRequest) -> Failpoints:
        """Return failpoints of which only C7 may do anything, at the thousandth pass."""
        if request.param == "none":
            return NoFailpoints()
        if request.param == "armed":
            return ArmedFailpoints("C7:error:1000")
        memory = MemoryFailpoints()
        memory.arm(Point.BEFORE_CALL, RuntimeError(), nth=1000)
        return memory
