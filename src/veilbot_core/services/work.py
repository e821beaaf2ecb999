"""Work: durable jobs claimed, run, tried again and, at the end of patience, put aside for a person."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from veilbot_core.domain.errors import LeaseLost, NoCapacity, NotFound, PortError, Rejected, Unknown, VeilbotError
from veilbot_core.domain.ids import JobId
from veilbot_core.domain.jobs import EVERYTHING, SCHEDULES, Job, JobKind, JobState, Ticket, backoff
from veilbot_core.domain.policy import Policy
from veilbot_core.ports.bus import Bus
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.storage import Storage, UnitOfWork

_LOG = logging.getLogger(__name__)
_WATCH = 5.0
"""The longest wait of a job that watches a server that does not answer, in seconds."""
_APART = 5.0
"""Over how many seconds those are spread, at most, who were asked to come again at one moment."""
_GROWN = 8
"""Attempts after which the waits between them are the longest."""
_DOUBT = 4
"""Runs in a row of which nothing was heard, before a job is kept apart from others."""
Handler = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The one loop body of every worker, with or without a broker."""

    storage: Storage
    bus: Bus
    clock: Clock
    ids: Ids
    policy: Policy
    failpoints: Failpoints
    handlers: Mapping[JobKind, Handler]
    """One per kind; each finishes its own job in the transaction of its effect, a schedule excepted."""

    async def plant(self) -> None:
        """See that every schedule has its row; safe in any number of processes."""

        def work(uow: UnitOfWork) -> None:
            for kind in sorted(SCHEDULES):
                uow.jobs.ensure(Job.ask(kind, EVERYTHING, self.clock.now()))

        await self.storage.write(work)

    async def claim(self, limit: int) -> Sequence[Job]:
        """Lease up to ``limit`` jobs that are due."""
        now = self.clock.now()
        return await self.storage.write(lambda uow: uow.jobs.claim(now, now + self.policy.lease, limit))

    async def hand_over(self, limit: int) -> Sequence[Ticket]:
        """Lease up to ``limit`` jobs that are due to whoever takes them; what a queue loses is free with the lease."""
        now = self.clock.now()
        jobs = await self.storage.write(lambda uow: uow.jobs.hand_over(now, now + self.policy.lease, limit))
        return [Ticket.of(job) for job in jobs]

    async def take(self, tickets: Sequence[Ticket]) -> Sequence[Job]:
        """Claim the jobs of tickets; one that was taken before, or too late, has none."""
        until = self.clock.now() + self.policy.lease
        taken = await self.storage.write(lambda uow: [uow.jobs.take(ticket, until) for ticket in tickets])
        return [job for job in taken if job is not None]

    async def run(self, job: Job) -> None:
        """Run a claimed job to its end or give it back; raises nothing but cancellation.

        A handler gets less time than its lease, so that a second worker never runs the same claim beside it.
        """
        try:
            if await self._kept_apart(job):
                return
            async with asyncio.timeout(self.policy.lease.total_seconds() * 0.8):
                await self.handlers[job.kind](job)
            if job.kind in SCHEDULES:
                due = self.clock.now() + self.policy.every[job.kind]
                await self.storage.write(lambda uow: uow.jobs.postpone(job, due, "", keep_attempts=False))
        except LeaseLost:
            await self._too_late(job)
        except Exception as error:  # noqa: BLE001 - the edge that must survive: any failure is booked at the job
            await self._failed(job, error)

    async def give_back(self, jobs: Sequence[Job]) -> None:
        """Let others have claimed jobs at once that this worker will not finish; that is no failure of theirs.

        Raises:
            PortError: nobody heard it; their leases end by themselves.
        """
        now = self.clock.now()

        def work(uow: UnitOfWork) -> None:
            for job in jobs:
                with suppress(LeaseLost):  # it ended after all
                    uow.jobs.postpone(replace(job, attempts=job.attempts - 1), now, job.error)

        await self.storage.write(work)

    async def relay(self, limit: int) -> int:
        """Hand waiting facts to the bus; return how many.

        Raises:
            Unavailable, Unknown: the bus did not take them in the time of a lease; they wait.
        """
        events = await self.storage.read(lambda uow: uow.outbox.waiting(limit))
        if not events:
            return 0
        try:
            async with asyncio.timeout(self.policy.lease.total_seconds() * 0.8):
                await self.failpoints.reach(Point.EVENT_CLAIMED)
                await self.bus.publish(events)
                await self.failpoints.reach(Point.PUBLISHED)
        except TimeoutError as error:
            raise Unknown("the bus does not say that it took the facts") from error
        now = self.clock.now()
        await self.storage.write(lambda uow: uow.outbox.sent([e.id for e in events], now))
        return len(events)

    async def dead(self, *, limit: int, after: JobId | None = None) -> Sequence[Job]:
        """Return jobs that wait for a person."""
        return await self.storage.read(lambda uow: uow.jobs.dead(limit=limit, after=after))

    async def requeue(self, job_id: JobId) -> Job:
        """Let a dead job be tried again, at once and with all its attempts. Raises NotFound."""

        def work(uow: UnitOfWork) -> Job:
            job = uow.jobs.find(job_id)
            if job is None or job.state is not JobState.DEAD:
                raise NotFound("there is no such dead job")
            uow.jobs.ask(Job.ask(job.kind, job.subject, self.clock.now(), detail=job.detail))
            return job

        return await self.storage.write(work)

    async def next_due(self) -> datetime | None:
        """Return when the next job is due."""
        return await self.storage.read(lambda uow: uow.jobs.next_due())

    async def _kept_apart(self, job: Job) -> bool:
        """Put a job off that may take its process with it, to a moment of its own; say whether that was done.

        What is booked of a run has ``_most`` attempts at most, so more of them are runs in a row of which nothing was
        heard. That befalls those, too, that run beside such a job, and all of them where processes die for another
        reason: so none is given up, and operators hear of it once.
        """
        if job.attempts <= self._most + _DOUBT:
            return False
        spread = self.ids.chance()
        if spread > 1 / 4:
            back, due = replace(job, attempts=job.attempts - 1), self.clock.now() + self.policy.lease * spread
            await self.storage.write(lambda uow: uow.jobs.postpone(back, due, job.error))
            return True
        if job.attempts == 3 * self._most:
            _LOG.warning("job %s %s: nothing was heard of %d runs", job.kind, job.subject, job.attempts - 1)
            await self.storage.write(lambda uow: self._alert_stuck(uow, job))
        return False

    async def _failed(self, job: Job, error: Exception) -> None:
        """Decide what a failure means for the job, and book it."""
        patience = self._patience(job, error)
        # of an error that is not ours, nobody knows what its text holds: that is for the log, which hides secrets
        text = f"{error.code}: {error}"[:200] if isinstance(error, VeilbotError) else type(error).__name__
        if not isinstance(error, VeilbotError | TimeoutError):
            _LOG.error("job %s %s failed", job.kind, job.subject, exc_info=error)
        else:
            _LOG.warning("job %s %s: %s", job.kind, job.subject, text)

        def work(uow: UnitOfWork) -> None:
            if patience is None:
                uow.jobs.bury(job, text)
                self._alert(uow, job, f"job.dead@{job.id}")
                return
            stuck = self._stuck(job, error)
            told = stuck or job.attempts > self._most + 1
            tried = replace(job, attempts=self._most + 1 if told else min(job.attempts, self._most))
            uow.jobs.postpone(tried, self.clock.now() + patience, text)
            if isinstance(error, NoCapacity) and not job.error.startswith(error.code):  # once per wait
                self._alert(uow, job, "order.waiting")
            elif stuck:
                self._alert_stuck(uow, job)

        try:
            await self.storage.write(work)
        except LeaseLost:
            await self._too_late(job)
        except PortError as trouble:  # the lease ends by itself
            _LOG.warning("job %s %s could not be given back: %s", job.kind, job.subject, trouble)

    async def _too_late(self, job: Job) -> None:
        """Leave a job to the worker that has it now; what this one called a server for may have come after that one.

        So the key is looked at again, when whoever has its job now has come to an end.
        """
        _LOG.info("job %s %s: another worker has it", job.kind, job.subject)
        if job.kind is not JobKind.APPLY_KEY:
            return
        now = self.clock.now()
        again = Job.ask(JobKind.RECHECK_KEY, job.subject, now, due=now + self.policy.lease)
        try:
            await self.storage.write(lambda uow: uow.jobs.ask(again))
        except PortError as trouble:
            _LOG.warning("key %s could not be put down to be looked at again: %s", job.subject, trouble)

    @property
    def _most(self) -> int:
        """Attempts that are remembered of a job: as many as decide about it; one more once operators were told."""
        return max(self.policy.attempts, _GROWN)

    def _patience(self, job: Job, error: Exception) -> timedelta | None:
        """Return how long to wait for the next attempt, None to give up.

        An outage, a full fleet or an unclear answer never kills a job: it ends, and the order is still paid. Nor does
        hanging: whose fault it is nobody knows, and a short lease makes an outage look like it; operators hear of it.
        What a person must mend, and our own failures after ``policy.attempts``, do.
        """
        watches = job.kind is JobKind.RECONCILE_SERVER and not isinstance(error, TimeoutError)
        most = _WATCH if watches else 60.0
        spread = self.ids.chance()
        wait = backoff(job.attempts, spread, most=most)
        if job.kind in SCHEDULES:
            return wait
        if isinstance(error, Rejected | NotFound):
            return None if job.attempts >= 2 else wait
        if isinstance(error, PortError | NoCapacity | TimeoutError):
            asked = min(getattr(error, "retry_after", None) or 0.0, 600.0)
            if not asked:
                return wait
            apart = min(asked, _APART) * spread  # all who wait for one side were told the same moment
            return max(wait, timedelta(seconds=asked + apart))
        return wait if job.attempts < self.policy.attempts else None

    def _stuck(self, job: Job, error: Exception) -> bool:
        """Say whether operators are to hear now of work that comes to no end: once."""
        if job.kind in SCHEDULES:
            return job.attempts == self.policy.attempts
        return isinstance(error, TimeoutError) and self.policy.attempts <= job.attempts <= self._most + 1

    def _alert_stuck(self, uow: UnitOfWork, job: Job) -> None:
        """Tell operators of work that comes to no end and is tried on."""
        self._alert(uow, job, f"{job.kind}.failing" if job.kind in SCHEDULES else f"job.stuck@{job.id}")

    def _alert(self, uow: UnitOfWork, job: Job, code: str) -> None:
        if job.kind is not JobKind.ALERT:
            uow.jobs.ask(Job.ask(JobKind.ALERT, job.subject, self.clock.now(), detail=code))
