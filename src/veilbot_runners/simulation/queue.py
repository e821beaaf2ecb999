"""The broker: tickets that are lost, doubled, late and out of order, and no broker at all for a while."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from itertools import count
from random import Random

from veilbot_adapters.memory import MemoryJobQueue
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.jobs import Ticket
from veilbot_core.ports.queue import JobQueue, Take
from veilbot_runners.simulation.faults import Fault
from veilbot_runners.simulation.ports import PATIENCE
from veilbot_runners.simulation.process import Process, Surroundings

_LATE = (1.0, 20.0, 90.0)
"""Seconds that a ticket may lie with a worker; a lease is shorter than the longest."""


class Broker:
    """The queue that all processes share, and what comes over it."""

    def __init__(self, around: Surroundings, random: Random) -> None:
        self._around, self._random = around, random
        self.queue = MemoryJobQueue(backlog=random.choice((3, 50, 500)), pause=_at_once)
        self.away = False
        self._kept: list[Ticket] = []
        """What lies in the broker while nobody reaches it."""
        self._held: dict[int, tuple[Process, Ticket]] = {}
        """Handed to a worker, and not acknowledged."""
        self._numbers = count(1)

    async def live(self) -> None:
        """Change with the seed, until the trouble is over."""
        acts = (self._purge, self._double, self._shuffle, self._cut, self._go_away)
        while True:
            await asyncio.sleep(self._random.uniform(20, 1200))
            act = self._random.choice(acts)
            self._around.history.note("broker", act.__name__, len(self.queue.waiting), len(self._held))
            act()

    def come_back(self) -> None:
        """Be reached again, with all that was kept."""
        self.away = False
        self.give(self._kept)
        self._kept.clear()

    def give(self, tickets: Sequence[Ticket]) -> None:
        """Let whoever is free have them."""
        (self._kept if self.away else self.queue.waiting).extend(tickets)
        self.queue.wake()

    async def hand(self, process: Process, ticket: Ticket, take: Take) -> None:
        """Let a worker have a ticket, perhaps late, perhaps beside another one; perhaps its thanks are lost."""
        faults, number = self._around.faults, next(self._numbers)
        self._held[number] = process, ticket
        try:
            if faults.strikes(Fault.BROKER, 3):
                self._around.history.faults["ticket twice"] += 1
                self.give([ticket])
            if faults.strikes(Fault.BROKER, 3):
                await process.step("a ticket that lies", wait=self._random.choice(_LATE) * self._random.random())
            await take(ticket)
            if faults.strikes(Fault.BROKER, 2):
                self._around.history.faults["ticket not acknowledged"] += 1
                self.give([ticket])
        finally:
            del self._held[number]

    def arrange(self, tickets: Sequence[Ticket]) -> list[Ticket]:
        """Lose some and mix the others up."""
        faults = self._around.faults
        kept = [ticket for ticket in tickets if not faults.strikes(Fault.BROKER, 2)]
        self._around.history.faults["ticket lost"] += len(tickets) - len(kept)
        if faults.strikes(Fault.BROKER, 5):
            self._random.shuffle(kept)
        return kept

    def _purge(self) -> None:
        self._around.history.faults["queue purged"] += 1
        self.queue.waiting.clear()

    def _double(self) -> None:
        self.give([ticket for _, ticket in self._held.values()] + list(self.queue.waiting))

    def _shuffle(self) -> None:
        self._random.shuffle(self.queue.waiting)

    def _cut(self) -> None:
        """Lose a connection: what its worker was given comes again, while it goes on with what it has."""
        if self._held:
            unlucky = self._random.choice([process for process, _ in self._held.values()])
            self.give([ticket for process, ticket in self._held.values() if process is unlucky])

    def _go_away(self) -> None:
        """Lose all connections for a while; what lies there is there afterwards."""
        if not self.away:
            self._around.history.faults["queue away"] += 1
            self.away = True
            self.give([*self.queue.waiting, *(ticket for _, ticket in self._held.values())])
            self.queue.waiting.clear()
            self._around.loop.later(self._random.choice((5.0, 120.0, 1800.0)) * self._random.random(), self.come_back)


class SimQueue(JobQueue):
    """The broker as one process reaches it."""

    def __init__(self, around: Surroundings, process: Process, broker: Broker) -> None:
        self._around, self._process, self._broker = around, process, broker

    async def room(self) -> int:
        """Ask."""
        await self._arrive("room")
        return await self._broker.queue.room()

    async def put(self, tickets: Sequence[Ticket]) -> None:
        """Hand over; a refusal may come after some got through, or all."""
        faults = self._around.faults
        await self._arrive("put")
        if faults.strikes(Fault.BROKER):
            self._broker.give(self._broker.arrange(tickets)[: len(tickets) // 2])
            raise Unavailable("the connection to the broker broke")
        self._broker.give(self._broker.arrange(tickets))
        await self._process.step("after put", weight=2)
        if faults.strikes(Fault.BROKER):
            self._around.history.faults["put unheard"] += 1
            raise Unavailable("the broker did not confirm")

    def consume(self, take: Take, *, slots: int, drain: float) -> AbstractAsyncContextManager[None]:
        """Take; a worker here ends by dying alone, which gives nothing time to end."""
        del drain

        async def have(ticket: Ticket) -> None:
            await self._broker.hand(self._process, ticket, take)

        return self._broker.queue.consume(have, slots=slots, drain=0.0)

    async def _arrive(self, method: str) -> None:
        faults = self._around.faults
        await self._process.step(f"before {method}")
        if faults.strikes(Fault.BROKER, 0.2):
            await self._process.step(f"hanging {method}", wait=PATIENCE)
            raise Unavailable("the broker gave no answer")
        if self._broker.away or faults.strikes(Fault.BROKER, 0.5):
            raise Unavailable("the broker is out of reach")


async def _at_once() -> None:
    """Wait for nothing."""
