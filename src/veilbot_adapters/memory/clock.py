"""Clock on virtual time: nothing waits longer than the test wants."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta
from itertools import count

from veilbot_core.ports.clock import Clock

_START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_ROUNDS = 1000


class MemoryClock(Clock):
    """Time that stands still until somebody calls `advance`."""

    def __init__(self, start: datetime = _START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> datetime:
        """Return the virtual wall time."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the seconds that were advanced so far."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved time so far; nothing and less only lets others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        entry = (self._elapsed + seconds, next(self._order), woken)
        heapq.heappush(self._sleepers, entry)
        try:
            await woken
        except asyncio.CancelledError:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)
            raise

    @property
    def next_wake(self) -> float | None:
        """Seconds from now until the first sleeper wakes; None when nobody sleeps."""
        return self._sleepers[0][0] - self._elapsed if self._sleepers else None

    async def advance(self, seconds: float) -> None:
        """Let time pass; sleepers wake in the order of their time, then of their coming.

        What a sleeper does then happens at the moment that it asked for, before the next one wakes.
        """
        end = self._elapsed + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            moment, _, woken = heapq.heappop(self._sleepers)
            self._elapsed = moment
            if not woken.done():
                woken.set_result(None)
            await self.settle()
        self._elapsed = end
        await self.settle()

    async def settle(self) -> None:
        """Let all other tasks run until each of them waits for something, without moving time."""
        ready = getattr(asyncio.get_running_loop(), "_ready", None)  # asyncio's own loop shows who is ready
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
            if ready is not None and not ready:
                return
