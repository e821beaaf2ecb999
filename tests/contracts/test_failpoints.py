"""The contract of the failpoints port."""

import pytest

from veilbot_adapters.failing import ArmedFailpoints, NoFailpoints
from veilbot_adapters.memory import MemoryFailpoints
from veilbot_core.ports.failpoints import Failpoints, Point


@pytest.fixture(params=["none", "armed", "memory"])
def failpoints(request: pytest.FixtureRequest) -> Failpoints:
    """Return failpoints of which only C7 may do anything, at the thousandth pass."""
    if request.param == "none":
        return NoFailpoints()
    if request.param == "armed":
        return ArmedFailpoints("C7:error:1000")
    memory = MemoryFailpoints()
    memory.arm(Point.BEFORE_CALL, RuntimeError(), nth=1000)
    return memory


class TestFailpoints:
    def test_is_a_port(self, failpoints: Failpoints) -> None:
        assert isinstance(failpoints, Failpoints)

    @pytest.mark.parametrize("point", list(Point))
    async def test_a_point_that_was_told_nothing_does_nothing(self, failpoints: Failpoints, point: Point) -> None:
        await failpoints.reach(point)
        failpoints.pass_by(point)
