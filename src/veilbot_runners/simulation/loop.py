"""An event loop on virtual time whose order of tasks is chosen by a seed."""

import asyncio
import heapq
from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from itertools import count
from random import Random
from typing import Any

from veilbot_core.domain.errors import Conflict


class Stuck(Conflict):
    """Nothing is left to wait for, or the steps have run out."""


class Owner:
    """Whose work some handles are; while it is stopped, none of them runs, as under SIGSTOP."""

    def __init__(self) -> None:
        self.stopped = False
        self.backlog: list[Handle] = []


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)


class _Task(asyncio.Task[Any]):
    """A task whose place in a set follows from when it was made, not from its address: runs must repeat."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], number: int, **options: Any) -> None:  # noqa: ANN401
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """Jumps to the next timer when nobody is ready; no sockets, no threads, no wall clock.

    Of the tasks that are ready, the seed chooses who goes on. Plain callbacks keep their order, as asyncio promises.
    """

    _ready: deque[Handle]
    _scheduled: list[TimerHandle]
    _stopping: bool

    def __init__(self, random: Random, *, steps: int = 5_000_000) -> None:
        super().__init__()
        self._random = random
        self._now = 0.0
        self._left = self._steps = steps
        self._numbers = count(1)
        self.set_debug(False)
        self.set_task_factory(self._make)

    @property
    def left(self) -> int:
        """How many steps may still be taken."""
        return self._left

    def refill(self) -> None:
        """Allow as many steps again, to clean up."""
        self._left = self._steps

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._now

    def resume(self, owner: Owner) -> None:
        """Let what an owner missed happen now."""
        owner.stopped = False
        self._ready.extend(owner.backlog)
        owner.backlog.clear()

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Do something as nobody's work, so that no stopped owner keeps it from happening."""
        self.call_later(seconds, act, context=Context())

    def run_in_executor(self, *_: object) -> Any:  # noqa: ANN401 - as the base has it
        """Refuse: a thread would bring an order of its own in."""
        raise RuntimeError("there are no threads in a simulation")

    def _make(self, _: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> _Task:  # noqa: ANN401
        return _Task(coroutine, next(self._numbers), loop=self, **options)

    def _run_once(self) -> None:
        """Take one step."""
        ready, timers = self._ready, self._scheduled
        if self._left <= 0:
            raise Stuck("the steps have run out")
        if not ready and not self._stopping:
            self._jump()
        while timers and timers[0].when() <= self._now:
            ready.append(heapq.heappop(timers))
        if not ready:
            return
        handle = self._pick()
        owner = handle._context.get(OWNER)  # type: ignore[attr-defined]  # noqa: SLF001 - shown nowhere else
        if owner is not None and owner.stopped:
            owner.backlog.append(handle)
        elif not handle.cancelled():
            self._left -= 1
            handle._run()  # noqa: SLF001 - what asyncio's own loops call

    def _jump(self) -> None:
        timers = self._scheduled
        while timers and timers[0].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Stuck("nothing is left to wait for")
        self._now = max(self._now, timers[0].when())

    def _pick(self) -> Handle:
        ready = self._ready
        if len(ready) == 1:
            return ready.popleft()
        index = int(self._random.random() * len(ready))
        if not _steps_a_task(ready[index]):
            index = next(i for i, handle in enumerate(ready) if not _steps_a_task(handle))
        handle = ready[index]
        del ready[index]
        return handle

    def _process_events(self, _: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody else is here to wake."""


def _steps_a_task(handle: Handle) -> bool:
    callback = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - shown nowhere else
    return isinstance(getattr(callback, "__self__", None), asyncio.Task)
