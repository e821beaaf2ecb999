"""Job queue inside one process, or between the processes of a simulation."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from veilbot_adapters.memory.network import Network, Pause, step_aside
from veilbot_core.domain.jobs import Ticket
from veilbot_core.ports.queue import JobQueue, Take


class MemoryJobQueue(Network, JobQueue):
    """Hands tickets to whoever consumes, oldest first; one whose taker failed or was cancelled comes again, last."""

    def __init__(self, *, backlog: int = 500, pause: Pause = step_aside) -> None:
        super().__init__(pause)
        self.waiting: deque[Ticket] = deque()
        """For a test to drop, double and shuffle."""
        self._backlog = backlog
        self._consumers: dict[asyncio.Event, None] = {}  # in order, which a set has none of: runs must repeat

    async def room(self) -> int:
        """Count what waits."""
        async with self._call("room"):
            return max(0, self._backlog - len(self.waiting))

    async def put(self, tickets: Sequence[Ticket]) -> None:
        """Append."""
        async with self._call("put"):
            self.waiting.extend(tickets)
            self.wake()

    def wake(self) -> None:
        """Let consumers look; `put` does it by itself."""
        for woken in self._consumers:
            woken.set()

    @asynccontextmanager
    async def consume(self, take: Take, *, slots: int, drain: float) -> AsyncIterator[None]:
        """Let ``take`` have tickets, each in a task of its own."""
        woken, running = asyncio.Event(), set[asyncio.Task[None]]()
        self._consumers[woken] = None
        async with asyncio.TaskGroup() as group:
            pump = group.create_task(self._pump(group, take, slots, woken, running))
            try:
                yield
            finally:
                self._consumers.pop(woken, None)
                pump.cancel()
                await _drain(running, drain)

    async def _pump(
        self,
        group: asyncio.TaskGroup,
        take: Take,
        slots: int,
        woken: asyncio.Event,
        running: set[asyncio.Task[None]],
    ) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            woken.set()

        while True:
            while self.waiting and len(running) < slots:
                task = group.create_task(self._hand(take, self.waiting.popleft()))
                running.add(task)
                task.add_done_callback(ended)
            woken.clear()
            await woken.wait()

    async def _hand(self, take: Take, ticket: Ticket) -> None:
        try:
            await take(ticket)
        except Exception:  # noqa: BLE001 - any failure of a taker means that somebody gets it again
            self._again(ticket)
            await self._pause()
        except BaseException:
            self._again(ticket)
            raise

    def _again(self, ticket: Ticket) -> None:
        self.waiting.append(ticket)
        self.wake()


async def _drain(running: set[asyncio.Task[None]], seconds: float) -> None:
    if running:
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
