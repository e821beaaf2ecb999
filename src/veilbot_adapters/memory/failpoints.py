"""Failpoints that a test arms one by one."""

from collections import Counter
from collections.abc import Callable

from veilbot_core.ports.failpoints import Failpoints, Point

Action = BaseException | Callable[[], None]


class MemoryFailpoints(Failpoints):
    """Counts the points that were passed; `arm` makes one of the passes raise or call something."""

    def __init__(self) -> None:
        self.passed: Counter[Point] = Counter()
        self._armed: dict[tuple[Point, int], Action] = {}

    def arm(self, point: Point, action: Action, *, nth: int = 1) -> None:
        """Raise ``action``, or call it, when ``point`` is passed for the ``nth`` time from now on."""
        self._armed[point, self.passed[point] + nth] = action

    async def reach(self, point: Point) -> None:
        """Pass a point between two awaits."""
        self.pass_by(point)

    def pass_by(self, point: Point) -> None:
        """Pass a point inside a unit of work."""
        self.passed[point] += 1
        action = self._armed.pop((point, self.passed[point]), None)
        if isinstance(action, BaseException):
            raise action
        if action is not None:
            action()
