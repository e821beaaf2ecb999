"""Worker: claims jobs and runs them side by side until it is told to stop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from veilbot_core.application import Application
from veilbot_core.domain.errors import PortError
from veilbot_core.domain.jobs import Job, JobKind, Ticket
from veilbot_core.ports.queue import JobQueue
from veilbot_runners.dispatcher import Dispatcher

_LOG = structlog.get_logger(__name__)
_RELAYED = 500
_NOUNS = (
    dict.fromkeys(
        (JobKind.FULFIL_ORDER, JobKind.CLOSE_ORDER, JobKind.REFUND_ORDER, JobKind.TELL_PAID, JobKind.TELL_READY),
        "order",
    )
    | dict.fromkeys((JobKind.APPLY_KEY, JobKind.RECHECK_KEY, JobKind.TELL_MOVED), "key")
    | {
        JobKind.MOVE_KEYS: "server",
        JobKind.RECONCILE_SERVER: "server",
        JobKind.TELL_REMINDER: "subscription",
    }
)
"""What a job's subject is called in the logs."""


@dataclass(slots=True, kw_only=True)
class Worker:
    """One process's share of the work; any number may run on one database."""

    application: Application
    slots: int = 64
    """Jobs that run at once."""
    poll: float = 1.0
    """Seconds between looks when nobody rings."""
    drain: float = 25.0
    """Seconds that running jobs get to end; what is cut off is given back."""
    queue: JobQueue | None = None
    """Shares the jobs among the workers; without one, or while it is out of reach, each runs what it claims."""
    _freed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _dispatcher: Dispatcher | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.queue is not None:
            self._dispatcher = Dispatcher(application=self.application, queue=self.queue, run=self._one)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set and what had begun is done, or the drain time is over."""
        await self._plant(stop)
        async with asyncio.TaskGroup() as group:
            relay = group.create_task(self._relay())
            waker = group.create_task(self._wake_at(stop))
            if self._dispatcher is not None:
                group.create_task(self._consume(self._dispatcher, stop))
            tasks: dict[asyncio.Task[None], Job] = {}
            while not stop.is_set():
                await self._round(group, tasks, stop)
            if tasks:
                await self._drain(tasks)
            relay.cancel()
            waker.cancel()

    async def _drain(self, tasks: dict[asyncio.Task[None], Job]) -> None:
        """Let what runs end; give back what does not, so that another worker need not wait for the lease."""
        _, late = await asyncio.wait(list(tasks), timeout=self.drain)
        left = [tasks[task] for task in late]
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
            try:
                await self.application.work.give_back(left)
            except PortError as error:
                _LOG.warning("jobs wait for the end of their leases", jobs=len(left), error=str(error))

    async def _plant(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.application.work.plant()
            except PortError as error:
                _LOG.warning("the database does not answer", error=str(error))
                await self.application.doorbell.wait(self.poll)
            else:
                return

    async def _consume(self, dispatcher: Dispatcher, stop: asyncio.Event) -> None:
        """Run what the queue brings, until ``stop`` is set and what had begun is done."""

        async def take(ticket: Ticket) -> None:
            await dispatcher.take(ticket, self.poll)

        async with dispatcher.queue.consume(take, slots=self.slots, drain=self.drain):
            await stop.wait()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.application.doorbell.ring()
        self._freed.set()

    async def _round(self, group: asyncio.TaskGroup, tasks: dict[asyncio.Task[None], Job], stop: asyncio.Event) -> None:
        """Fill the free slots, or wait for one, or for work."""
        if len(tasks) >= self.slots:
            self._freed.clear()
            if not stop.is_set():
                await self._freed.wait()
            return
        jobs: Sequence[Job] | None = None
        try:
            if self._dispatcher is not None:
                jobs = await self._dispatcher.hand_over(self.slots - len(tasks), self.poll)
            handed = jobs is not None
            if jobs is None:
                jobs = await self.application.work.claim(self.slots - len(tasks))
        except PortError as error:
            _LOG.warning("the database does not answer", error=str(error))
            jobs, handed = (), False
        for job in jobs:
            task = group.create_task(self._one(job))
            tasks[task] = job
            task.add_done_callback(tasks.pop)
            task.add_done_callback(self._free)  # after its slot is free, or nobody would look again
        if not jobs and not handed:
            await self.application.doorbell.wait(self.poll)

    async def _one(self, job: Job) -> None:
        noun = _NOUNS.get(job.kind, "subject")
        with structlog.contextvars.bound_contextvars(job=job.kind.value, **{noun: str(job.subject)}):
            await self.application.work.run(job)

    def _free(self, _: asyncio.Task[None]) -> None:
        self._freed.set()

    async def _relay(self) -> None:
        """Hand facts to the bus, as many as there are, then look again after a while; the log hears of a halt once."""
        halted = False
        while True:
            try:
                handed = await self.application.work.relay(_RELAYED)
                halted = False
            except PortError as error:
                if not halted:
                    _LOG.warning("facts wait in the outbox", error=str(error))
                handed, halted = 0, True
            if handed < _RELAYED:
                await self.application.clock.sleep(self.poll)
