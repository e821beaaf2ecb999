"""Jobs: asking for work, and waking the workers."""

from datetime import timedelta

import pytest
from tests.contracts.storage.conftest import Bell
from tests.contracts.storage.things import HOUR, NOW, SECOND, a_job, a_user, new_id

from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind, JobState
from veilbot_core.ports.storage import Storage, UnitOfWork


def claim(uow: UnitOfWork) -> list[Job]:
    return list(uow.jobs.claim(NOW, NOW + HOUR, 99))


class TestAsking:
    async def test_a_job_is_stored_as_it_was_asked_for(self, storage: Storage) -> None:
        job = a_job(JobKind.TELL_REMINDER, detail="3д", due=NOW - SECOND)
        await storage.write(lambda uow: uow.jobs.ask(job))
        (claimed,) = await storage.write(claim)
        same = (claimed.id, claimed.kind, claimed.subject, claimed.detail, claimed.due, claimed.created_at)
        assert same == (job.id, job.kind, job.subject, job.detail, job.due, job.created_at)
        assert (claimed.revision, claimed.state, claimed.error) == (1, JobState.READY, "")

    async def test_asking_again_grows_the_revision_and_the_earlier_time_wins(self, storage: Storage) -> None:
        subject = new_id()
        for due in (NOW + HOUR, NOW - HOUR, NOW + 2 * HOUR):
            await storage.write(lambda uow, due=due: uow.jobs.ask(a_job(subject=subject, due=due)))  # type: ignore[misc]
        (claimed,) = await storage.write(claim)
        assert (claimed.revision, claimed.due) == (3, NOW - HOUR)

    async def test_asking_twice_at_once_is_asking_twice(self, storage: Storage) -> None:
        subject = new_id()
        twice = [a_job(subject=subject, due=NOW), a_job(subject=subject, due=NOW - HOUR)]
        await storage.write(lambda uow: uow.jobs.ask(twice[0], a_job(), twice[1]))
        claimed = await storage.write(claim)
        assert [(job.revision, job.due) for job in claimed if job.subject == subject] == [(2, NOW - HOUR)]
        assert len(claimed) == 2

    async def test_asking_for_nothing_does_nothing(self, storage: Storage) -> None:
        await storage.write(lambda uow: uow.jobs.ask())
        assert await storage.read(lambda uow: uow.jobs.next_due()) is None

    async def test_a_dead_job_that_is_asked_for_again_is_ready_and_counts_anew(self, storage: Storage) -> None:
        job = a_job()
        await storage.write(lambda uow: uow.jobs.ask(job))
        (claimed,) = await storage.write(claim)
        await storage.write(lambda uow: uow.jobs.bury(claimed, "too often"))
        await storage.write(lambda uow: uow.jobs.ask(job))
        (again,) = await storage.write(claim)
        assert (again.id, again.attempts, again.state) == (job.id, 1, JobState.READY)
        assert list(await storage.read(lambda uow: uow.jobs.dead(limit=9))) == []

    async def test_asking_does_not_take_a_lease_away(self, storage: Storage) -> None:
        job = a_job()
        await storage.write(lambda uow: uow.jobs.ask(job))
        await storage.write(claim)
        await storage.write(lambda uow: uow.jobs.ask(job))
        assert await storage.write(claim) == []

    async def test_a_large_batch(self, storage: Storage) -> None:
        jobs = [a_job() for _ in range(5000)]
        await storage.write(lambda uow: uow.jobs.ask(*jobs))
        await storage.write(lambda uow: uow.jobs.ask(*jobs))
        claimed = await storage.write(lambda uow: uow.jobs.claim(NOW, NOW + HOUR, 5000))
        assert {job.id for job in claimed} == {job.id for job in jobs}
        assert {job.revision for job in claimed} == {2}


class TestEnsuring:
    async def test_a_job_that_is_there_stays_as_it_is(self, storage: Storage) -> None:
        first = a_job(JobKind.SWEEP, subject=EVERYTHING, due=NOW)
        later = a_job(JobKind.SWEEP, subject=EVERYTHING, due=NOW - HOUR)
        assert await storage.write(lambda uow: uow.jobs.ensure(first)) is True
        assert await storage.write(lambda uow: uow.jobs.ensure(later)) is False
        (claimed,) = await storage.write(claim)
        assert (claimed.due, claimed.revision) == (NOW, 1)

    async def test_a_dead_job_stays_dead(self, storage: Storage) -> None:
        job = a_job()
        await storage.write(lambda uow: uow.jobs.ensure(job))
        (claimed,) = await storage.write(claim)
        await storage.write(lambda uow: uow.jobs.bury(claimed, "no"))
        assert await storage.write(lambda uow: uow.jobs.ensure(job)) is False
        assert await storage.write(claim) == []


class TestDoorbell:
    async def test_it_rings_once_a_commit_brought_work(self, storage: Storage, bell: Bell) -> None:
        await storage.write(lambda uow: uow.jobs.ask(a_job(), a_job()))
        assert bell.rings == 1
        await storage.write(lambda uow: uow.jobs.ensure(a_job()))
        assert bell.rings == 2

    async def test_it_does_not_ring_before_the_commit(self, storage: Storage, bell: Bell) -> None:
        def work(uow: UnitOfWork) -> int:
            uow.jobs.ask(a_job())
            return bell.rings

        assert await storage.write(work) == 0

    async def test_it_does_not_ring_for_work_that_was_rolled_back(self, storage: Storage, bell: Bell) -> None:
        with pytest.raises(NotFound):
            await storage.write(lambda uow: (uow.jobs.ask(a_job()), uow.users.get(UserId(new_id()))))
        assert bell.rings == 0

    async def test_it_does_not_ring_for_other_changes(self, storage: Storage, bell: Bell) -> None:
        await storage.write(lambda uow: uow.users.add(a_user()))
        await storage.write(lambda uow: uow.jobs.ask())
        await storage.write(claim)
        assert bell.rings == 0


class TestNextDue:
    async def test_the_earliest_ready_job_without_a_lease(self, storage: Storage) -> None:
        soon, later = a_job(due=NOW), a_job(due=NOW + timedelta(microseconds=1))
        await storage.write(lambda uow: uow.jobs.ask(later, soon))
        assert await storage.read(lambda uow: uow.jobs.next_due()) == NOW
        (claimed,) = await storage.write(claim)
        assert await storage.read(lambda uow: uow.jobs.next_due()) == later.due
        await storage.write(lambda uow: uow.jobs.bury(claimed, "no"))
        assert await storage.read(lambda uow: uow.jobs.next_due()) == later.due
