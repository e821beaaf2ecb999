"""Worker: claims jobs and runs them side by side until it is told to stop."""

import asyncio
from dataclasses import dataclass, field

import structlog

from veilbot_core.application import Application
from veilbot_core.domain.errors import PortError
from veilbot_core.domain.jobs import Job, JobKind

_LOG = structlog.get_logger(__name__)
_RELAYED = 500
_NOUNS = dict.fromkeys(
    (JobKind.FULFIL_ORDER, JobKind.CLOSE_ORDER, JobKind.REFUND_ORDER, JobKind.TELL_PAID, JobKind.TELL_READY), "order"
) | {JobKind.APPLY_KEY: "key", JobKind.RECONCILE_SERVER: "server", JobKind.TELL_REMINDER: "subscription"}
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
    """Seconds that running jobs get to end; what is cut off is done again when its lease ends."""
    _freed: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set and what had begun is done, or the drain time is over."""
        await self._plant(stop)
        async with asyncio.TaskGroup() as group:
            relay = group.create_task(self._relay())
            waker = group.create_task(self._wake_at(stop))
            tasks: set[asyncio.Task[None]] = set()
            while not stop.is_set():
                await self._round(group, tasks, stop)
            if tasks:
                _, late = await asyncio.wait(tasks, timeout=self.drain)
                for task in late:  # its lease ends by itself, and another worker does it again
                    task.cancel()
            relay.cancel()
            waker.cancel()

    async def _plant(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self.application.work.plant()
            except PortError as error:
                _LOG.warning("the database does not answer", error=str(error))
                await self.application.doorbell.wait(self.poll)
            else:
                return

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.application.doorbell.ring()
        self._freed.set()

    async def _round(self, group: asyncio.TaskGroup, tasks: set[asyncio.Task[None]], stop: asyncio.Event) -> None:
        """Fill the free slots, or wait for one, or for work."""
        if len(tasks) >= self.slots:
            self._freed.clear()
            if not stop.is_set():
                await self._freed.wait()
            return
        try:
            jobs = await self.application.work.claim(self.slots - len(tasks))
        except PortError as error:
            _LOG.warning("the database does not answer", error=str(error))
            jobs = ()
        for job in jobs:
            task = group.create_task(self._one(job))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(self._free)  # after its slot is free, or nobody would look again
        if not jobs:
            await self.application.doorbell.wait(self.poll)

    async def _one(self, job: Job) -> None:
        noun = _NOUNS.get(job.kind, "subject")
        with structlog.contextvars.bound_contextvars(job=job.kind.value, **{noun: str(job.subject)}):
            await self.application.work.run(job)

    def _free(self, _: asyncio.Task[None]) -> None:
        self._freed.set()

    async def _relay(self) -> None:
        """Hand facts to the bus, as many as there are, then look again after a while."""
        while True:
            try:
                handed = await self.application.work.relay(_RELAYED)
            except PortError as error:
                _LOG.warning("facts wait in the outbox", error=str(error))
                handed = 0
            if handed < _RELAYED:
                await self.application.clock.sleep(self.poll)
