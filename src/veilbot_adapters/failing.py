"""Failpoints of a real process."""

import asyncio
import os
import signal
import threading
from collections import Counter
from enum import StrEnum

from veilbot_core.domain.errors import InvalidInput, Unavailable, Unknown
from veilbot_core.ports.failpoints import Failpoints, Point


class NoFailpoints(Failpoints):
    """What production uses."""

    async def reach(self, point: Point) -> None:
        """Do nothing."""

    def pass_by(self, point: Point) -> None:
        """Do nothing."""


class _Action(StrEnum):
    KILL = "kill"
    ERROR = "error"
    HANG = "hang"


class ArmedFailpoints(Failpoints):
    """Acts as ``spec`` says: ``C7:kill`` the first time that C7 is passed, ``C7:kill:3`` the third; commas between.

    ``kill`` ends this process with SIGKILL; ``error`` raises Unavailable, at C8 Unknown; ``hang`` waits for ever or,
    where nothing can be awaited, blocks the thread for ``block`` seconds. Each part acts once.
    """

    def __init__(self, spec: str, *, block: float = 3600.0) -> None:
        """Read the spec. Raises InvalidInput."""
        parts = [_parse(part) for part in spec.split(",")]
        self._armed = dict(parts)
        if len(self._armed) < len(parts):
            raise InvalidInput("the same pass of a failpoint is named twice", field="failpoint")
        self._passed: Counter[Point] = Counter()
        self._block = block

    async def reach(self, point: Point) -> None:
        """Pass a point between two awaits."""
        if self._act(point):
            await asyncio.Event().wait()

    def pass_by(self, point: Point) -> None:
        """Pass a point inside a unit of work."""
        if self._act(point):
            threading.Event().wait(self._block)

    def _act(self, point: Point) -> bool:
        """Die or raise if it is time to, else say whether to hang."""
        self._passed[point] += 1
        action = self._armed.get((point, self._passed[point]))
        if action is _Action.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if action is _Action.ERROR:
            raise (Unknown if point is Point.CALLED else Unavailable)(f"failpoint {point}")
        return action is _Action.HANG


def _parse(part: str) -> tuple[tuple[Point, int], _Action]:
    name, _, rest = part.strip().partition(":")
    action, third, nth = rest.partition(":")
    if name not in set(Point):
        raise InvalidInput(f"{name!r} is no failpoint; there are {', '.join(Point)}", field="failpoint")
    if action not in set(_Action):
        raise InvalidInput(f"{action!r} is nothing a failpoint does; {', '.join(_Action)} are", field="failpoint")
    if third and not (nth.isascii() and nth.isdigit() and len(nth) < 10 and int(nth) > 0):
        raise InvalidInput("a failpoint's third part is a number from 1", field="failpoint")
    return (Point(name), int(nth or 1)), _Action(action)
