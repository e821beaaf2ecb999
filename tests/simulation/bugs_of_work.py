"""Planted bugs: how shops lose work, do it too often, or forget to tell."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from tests.simulation.bugs import Bug, instead, repository
from tests.simulation.bugs_of_keys import FinishesFirst

from veilbot_adapters.memory.jobs import MemoryJobs
from veilbot_core.domain.errors import PortError
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.services.notices import Notices
from veilbot_core.services.payments import Payments
from veilbot_core.services.work import Work


class FinishesThenTells(Notices):
    async def tell(self, job: Job) -> None:
        found = (
            await self.storage.read(lambda uow: Notices._ready(self, uow, job)) if job.kind == "tell_ready" else None
        )
        await self.storage.write(lambda uow: uow.jobs.finish(job))
        if found is not None:
            await self.notifier.tell(*found)


class TellsOnce(Notices):
    async def tell(self, job: Job) -> None:
        try:
            await Notices.tell(self, job)
        except PortError:
            await self.storage.write(lambda uow: uow.jobs.finish(job))


class NeverRests(Work):
    def _patience(self, job: Job, error: Exception) -> timedelta | None:
        return timedelta(milliseconds=50) if Work._patience(self, job, error) is not None else None


class MarksFirst(Work):
    async def relay(self, limit: int) -> int:
        events = await self.storage.read(lambda uow: uow.outbox.waiting(limit))
        now = self.clock.now()
        await self.storage.write(lambda uow: uow.outbox.sent([event.id for event in events], now))
        if events:
            await self.bus.publish(events)
        return len(events)


class DiesOfFailures(Work):
    async def _failed(self, job: Job, error: Exception) -> None:
        del job
        raise error


class GivesUp(Work):
    """Puts a job aside at the first outage, and tells nobody; dead jobs cannot be asked for."""

    async def _failed(self, job: Job, error: Exception) -> None:
        del error
        await self.storage.write(lambda uow: uow.jobs.finish(job))


class NoLease(MemoryJobs):
    def claim(self, now: datetime, until: datetime, limit: int, kinds: Iterable[JobKind] = ()) -> Sequence[Job]:
        del until
        return super().claim(now, now, limit, kinds)


class RefundsFromMemory(Payments):
    """Finishes the job, then sends the money back."""

    async def refund(self, job: Job) -> None:
        await self.storage.write(lambda uow: uow.jobs.finish(job))


class ClosesLater(Payments):
    async def close(self, job: Job) -> None:
        later = self.clock.now() + timedelta(minutes=1)
        await self.storage.write(lambda uow: uow.jobs.postpone(job, later, "later"))


class MisreadsItsJob(Payments):
    async def refund(self, job: Job) -> None:
        int(job.detail)


BUGS = (
    Bug(
        name="a message is recorded before it is told",
        first=2,
        guard="told first, recorded afterwards",
        breaks="customers_are_told",
        faults="telegram",
        plant=instead("notices", FinishesThenTells),
    ),
    Bug(
        name="a message that Telegram refuses is given up",
        first=10,
        guard="429 and silence are tried again",
        breaks="customers_are_told",
        faults="telegram",
        plant=instead("notices", TellsOnce),
    ),
    Bug(
        name="failed work is tried again without rest",
        first=4,
        guard="backoff",
        breaks="attempts_are_bounded",
        faults="servers",
        plant=instead("work", NeverRests),
    ),
    Bug(
        name="facts are marked before they are handed over",
        first=44,
        guard="published first, marked afterwards",
        breaks="facts_reach_the_bus",
        faults="crash",
        plant=instead("work", MarksFirst),
    ),
    Bug(
        name="a failed job ends the worker",
        guard="any failure is booked at the job",
        breaks="workers_survive",
        faults="servers",
        plant=instead("work", DiesOfFailures),
    ),
    Bug(
        name="a failed job is forgotten",
        first=10,
        guard="an outage never kills a job",
        breaks="customers_are_told",
        faults="telegram",
        plant=instead("work", GivesUp),
    ),
    Bug(
        name="a job belongs to nobody while it runs",
        guard="the lease",
        breaks="attempts_are_bounded",
        faults="none",
        plant=repository("jobs", NoLease),
        orders=1,
    ),
    Bug(
        name="the job is finished before its work is committed",
        guard="each handler finishes its job in the transaction of its effect, and the sweeper",
        breaks="paid_means_a_key_or_a_person",
        faults="crash",
        plant=instead("fulfilment", FinishesFirst),
    ),
    Bug(
        name="a refund is promised and forgotten",
        first=2,
        guard="a refund is a durable job until it is booked",
        breaks="refunds_take_back_what_they_paid_for",
        faults="none",
        plant=instead("payments", RefundsFromMemory),
    ),
    Bug(
        name="an order is never closed",
        guard="each job comes to an end",
        breaks="everything_settles",
        faults="none",
        plant=instead("payments", ClosesLater),
    ),
    Bug(
        name="a step cannot read its own job",
        first=2,
        guard="what a job holds is read as it was written",
        breaks="no_step_fails_by_itself",
        faults="none",
        plant=instead("payments", MisreadsItsJob),
    ),
)
