"""The contract of the failpoints port."""

import pytest

from veilbot_core.ports.failpoints import Failpoints, Point


@pytest.mark.asyncio
class FailpointsContract:
    """`Failpoints` do nothing unless they were told to.

    ``subject`` is the port itself, of which no point may do anything before it was passed a thousand times.
    """

    @pytest.fixture
    def subject(self) -> Failpoints:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_port(self, subject: Failpoints) -> None:
        assert isinstance(subject, Failpoints)

    @pytest.mark.parametrize("point", list(Point))
    async def test_a_point_that_was_told_nothing_does_nothing(self, subject: Failpoints, point: Point) -> None:
        await subject.reach(point)
        subject.pass_by(point)
