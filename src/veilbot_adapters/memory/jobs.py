"""Durable work and facts on their way out, in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from veilbot_adapters.memory.tables import Index, Journal, Table, below
from veilbot_core.domain.errors import LeaseLost
from veilbot_core.domain.events import Event
from veilbot_core.domain.ids import EventId, JobId
from veilbot_core.domain.jobs import Job, JobKind, JobState, Ticket
from veilbot_core.ports import repositories as port


class MemoryOutbox(port.Outbox):
    """Facts that wait, in the order of their ids; one that was confirmed is forgotten."""

    def __init__(self, journal: Journal) -> None:
        self._by_id = Index[Event](lambda _: 0)
        self._table = Table(journal, indexes=[self._by_id])

    def append(self, *events: Event) -> None:
        """Insert."""
        for event in events:
            self._table.insert(event.id.int, event)

    def waiting(self, limit: int) -> Sequence[Event]:
        """Walk up by id."""
        return self._table.take(self._by_id.up(), limit)

    def sent(self, event_ids: Iterable[EventId], at: datetime) -> None:  # noqa: ARG002 - nobody asks when
        """Forget them."""
        for event_id in event_ids:
            if event_id.int in self._table.rows:
                self._table.delete(event_id.int)


class MemoryJobs(port.Jobs):
    """Jobs by id; the ready ones of each kind by the time of being due or of their lease's end; the dead ones by id."""

    def __init__(self, journal: Journal) -> None:
        self._ready = Index[Job](lambda job: job.kind if _free(job) else None, lambda job: (job.due,))
        self._leased = Index[Job](lambda job: job.kind if job.leased_until else None, lambda job: (job.leased_until,))
        self._dead = Index[Job](lambda job: 0 if job.state is JobState.DEAD else None)
        self._table = Table(journal, indexes=[self._ready, self._leased, self._dead])
        self.asked = False
        """Whether something became ready since somebody set this to False; the storage rings the doorbell then."""

    def ask(self, *jobs: Job) -> None:
        """Insert, or ask again for what is there."""
        for job in jobs:
            self.asked = True
            known = self._table.rows.get(job.id.int)
            if known is None:
                self._table.insert(job.id.int, job)
                continue
            again = replace(known, revision=known.revision + 1, due=min(known.due, job.due))
            if known.state is JobState.DEAD:
                again = replace(again, state=JobState.READY, attempts=0)
            self._table.update(job.id.int, again)

    def ensure(self, job: Job) -> bool:
        """Insert what is not there."""
        if job.id.int in self._table.rows:
            return False
        self.ask(job)
        return True

    def claim(self, now: datetime, until: datetime, limit: int, kinds: Iterable[JobKind] = ()) -> Sequence[Job]:
        """Take the free ones that are due longest, and those whose lease has ended."""
        leased = self.hand_over(now, until, limit, kinds)
        return [self._attempt(job) for job in leased]

    def hand_over(self, now: datetime, until: datetime, limit: int, kinds: Iterable[JobKind] = ()) -> Sequence[Job]:
        """Lease the same ones, but do not call it an attempt."""
        wanted = set(kinds)
        groups = ((index, kind) for index in (self._ready, self._leased) for kind in index.groups)
        found = sorted(e for index, kind in groups if not wanted or kind in wanted for e in index.until(kind, now))
        first = self._table.take(iter(found), limit)
        jobs = [replace(job, fence=job.fence + 1, leased_until=until) for job in first]
        for job in jobs:
            self._table.update(job.id.int, job)
        return jobs

    def take(self, ticket: Ticket, until: datetime) -> Job | None:
        """Compare the leases."""
        known = self._table.rows.get(ticket.id.int)
        if known is None or (known.fence, known.leased_until) != (ticket.fence, ticket.lease):
            return None
        return self._attempt(replace(known, fence=known.fence + 1, leased_until=until))

    def _attempt(self, job: Job) -> Job:
        job = replace(job, attempts=job.attempts + 1)
        self._table.update(job.id.int, job)
        return job

    def finish(self, job: Job) -> None:
        """Remove it, or free it for whoever asked again."""
        known = self._mine(job)
        if known.revision == job.revision:
            self._table.delete(job.id.int)
        else:
            self.asked = True
            self._table.update(job.id.int, replace(known, leased_until=None, attempts=0))

    def postpone(self, job: Job, due: datetime, error: str, *, keep_attempts: bool = True) -> None:
        """Free it for later."""
        known = self._mine(job)
        attempts = job.attempts if keep_attempts else 0
        due = due if known.revision == job.revision else min(due, known.due)
        self._table.update(job.id.int, replace(known, leased_until=None, due=due, error=error, attempts=attempts))

    def bury(self, job: Job, error: str) -> None:
        """Mark it dead, or free it for whoever asked again."""
        known = self._mine(job)
        if known.revision != job.revision:
            self.asked = True
            self._table.update(job.id.int, replace(known, leased_until=None, error=error, attempts=0))
            return
        self._table.update(job.id.int, replace(known, leased_until=None, state=JobState.DEAD, error=error))

    def withdraw(self, job_id: JobId) -> None:
        """Remove what is free."""
        known = self._table.rows.get(job_id.int)
        if known is not None and known.leased_until is None:
            self._table.delete(job_id.int)

    def find(self, job_id: JobId) -> Job | None:
        """Look it up."""
        return self._table.rows.get(job_id.int)

    def dead(self, *, limit: int, after: JobId | None = None) -> Sequence[Job]:
        """Walk up the dead ones."""
        return self._table.take(self._dead.up(after=below(after)), limit)

    def next_due(self) -> datetime | None:
        """Compare the first free job of each kind."""
        firsts = (self._ready.first(kind) for kind in JobKind)
        return min((first[0] for first in firsts if first is not None), default=None)

    def _mine(self, job: Job) -> Job:
        known = self._table.rows.get(job.id.int)
        if known is None or known.leased_until is None or known.fence != job.fence:
            raise LeaseLost
        if known.leased_until != job.leased_until:  # the claim is of one that was done, and asked for again since
            raise LeaseLost
        return known


def _free(job: Job) -> bool:
    return job.state is JobState.READY and job.leased_until is None
