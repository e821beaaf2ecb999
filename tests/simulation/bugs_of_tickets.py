"""Planted bugs: how workers that share a queue run a job twice, or never."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tests.simulation.bugs import Bug, instead, repository

from veilbot_adapters.memory.jobs import MemoryJobs
from veilbot_core.domain.jobs import Job, JobKind, Ticket
from veilbot_core.services.work import Work


class AnyTicketWill(MemoryJobs):
    def take(self, ticket: Ticket, until: datetime) -> Job | None:
        known = self._table.rows.get(ticket.id.int)
        if known is None or known.leased_until is None:
            return None
        return super().take(replace(ticket, fence=known.fence, lease=known.leased_until), until)


class FenceAlone(MemoryJobs):
    def take(self, ticket: Ticket, until: datetime) -> Job | None:
        known = self._table.rows.get(ticket.id.int)
        if known is None or known.leased_until is None:
            return None
        return super().take(replace(ticket, lease=known.leased_until), until)


class TrustsTheQueue(MemoryJobs):
    def hand_over(self, now: datetime, until: datetime, limit: int, kinds: Iterable[JobKind] = ()) -> Sequence[Job]:
        return super().hand_over(now, until + timedelta(days=365), limit, kinds)


class LateIsNever(Work):
    """As it was once: what a worker called after its turn was over, was forgotten."""

    async def _too_late(self, job: Job) -> None:
        """Leave the key as it is."""


BUGS = (
    Bug(
        name="a ticket is good for as long as its job is claimed",
        guard="a ticket's fence is compared, so that the first taking is the only one",
        breaks="nothing_runs_beside_itself",
        faults="broker",
        plant=repository("jobs", AnyTicketWill),
    ),
    Bug(
        name="a ticket of a job that is done is good for the next one",
        first=16,
        orders=50,
        guard="a ticket names its lease beside its fence, which each job counts anew",
        breaks="nothing_runs_beside_itself",
        faults="broker,crash,providers,storage",
        plant=repository("jobs", FenceAlone),
    ),
    Bug(
        name="the queue loses nothing",
        guard="what was handed over is due again when its lease ends",
        breaks="everything_settles",
        faults="broker",
        plant=repository("jobs", TrustsTheQueue),
    ),
    Bug(
        name="what was called too late did nothing",
        first=302630,
        orders=50,
        guard="a worker that finds another one at its job has the key's server told once more",
        breaks="servers_have_what_is_wanted",
        faults="mix",
        plant=instead("work", LateIsNever),
    ),
)
