"""The bulkhead and the budget: how many calls at once, and how many of them again."""

import asyncio

from veilbot_adapters.resilience.limits import Limits
from veilbot_core.ports.clock import Clock


class Full(Exception):
    """The bulkhead has no place; ``silent`` if nothing has been answered lately."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__()
        self.silent = silent


class Bulkhead:
    """A few places for calls, and a short queue before them.

    The queue is for a side that works: once calls have been out for ``wait`` seconds and none was answered, nobody is
    let into it until one is, and who stands in it does so no longer than that. Otherwise the callers of one side that
    hangs would soon be all the callers that there are.
    """

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._places = asyncio.Semaphore(limits.in_flight)
        self._waiting = 0
        self._out = 0
        self._silent_since: float | None = None

    async def enter(self, until: float) -> None:
        """Take a place; ``until`` is the caller's deadline on the event loop's clock. Raises Full."""
        if self._places.locked():
            await self._wait(until)
        else:
            await self._places.acquire()
        self._out += 1
        if self._silent_since is None:
            self._silent_since = self._clock.monotonic()

    def leave(self, *, answered: bool) -> None:
        """Give the place back, and say whether the other side did anything, if only to refuse."""
        self._out -= 1
        if answered:
            self._silent_since = self._clock.monotonic() if self._out else None
        self._places.release()

    async def _wait(self, until: float) -> None:
        limits = self._limits
        now = self._clock.monotonic()
        silent = self._silent_since is not None and now - self._silent_since > limits.wait
        if silent or self._waiting >= limits.waiting:
            raise Full(silent=silent)
        self._waiting += 1
        try:
            async with asyncio.timeout_at(min(until, asyncio.get_running_loop().time() + limits.wait)):
                await self._places.acquire()
        except TimeoutError as error:
            raise Full(silent=False) from error
        finally:
            self._waiting -= 1


class Budget:
    """Further attempts that one side may still be given: a share of all calls, and a small reserve.

    Without it an outage doubles the load of those who try to come back from it.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._left = limits.reserve

    def earn(self) -> None:
        """Count a call."""
        self._left = min(self._limits.reserve, self._left + self._limits.retries)

    def spend(self) -> bool:
        """Take one further attempt, if there is one."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
