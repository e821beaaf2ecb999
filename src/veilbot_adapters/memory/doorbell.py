"""Doorbell inside one process."""

import asyncio

from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell


class MemoryDoorbell(Doorbell):
    """Wakes the workers of this process; several rings before a wait are one.

    Without a ``clock`` it waits in real time, as a shop of one process does. With a virtual clock it waits in that.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._rung = asyncio.Event()
        self.rings = 0

    def ring(self) -> None:
        """Wake everyone who waits; call it on the event loop's thread."""
        self.rings += 1
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return at a ring, or after ``seconds``."""
        if not self._rung.is_set():
            await (self._real(seconds) if self._clock is None else self._virtual(self._clock, seconds))
        self._rung.clear()

    async def _real(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return

    async def _virtual(self, clock: Clock, seconds: float) -> None:
        async with asyncio.TaskGroup() as group:
            timer = group.create_task(clock.sleep(seconds))
            ring = group.create_task(self._rung.wait())
            await asyncio.wait((timer, ring), return_when=asyncio.FIRST_COMPLETED)
            timer.cancel()
            ring.cancel()
