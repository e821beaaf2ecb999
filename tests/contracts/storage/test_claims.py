"""Jobs: leases, fences and how claimed work ends."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.contracts.storage.things import HOUR, NOW, SECOND, a_job

from veilbot_core.domain.errors import LeaseLost
from veilbot_core.domain.jobs import Job, JobKind, JobState, Ticket
from veilbot_core.ports.repositories import Jobs
from veilbot_core.ports.storage import Storage

LEASE = NOW + HOUR


async def claimed(storage: Storage, job: Job) -> Job:
    await storage.write(lambda uow: uow.jobs.ask(job))
    (mine,) = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 1))
    return mine


class TestAskedForAgainMeanwhile:
    """Whoever asks while a job is under way is heard, however that ends."""

    async def test_postponed_it_keeps_the_earlier_time(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.ask(Job.ask(mine.kind, mine.subject, NOW)))
        await storage.write(lambda uow: uow.jobs.postpone(mine, NOW + HOUR, "later"))
        (again,) = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 1))
        assert (again.id, again.attempts, again.error) == (mine.id, 2, "later")

    async def test_buried_it_is_free_and_counts_anew(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.ask(Job.ask(mine.kind, mine.subject, NOW)))
        await storage.write(lambda uow: uow.jobs.bury(mine, "refused"))
        assert list(await storage.read(lambda uow: uow.jobs.dead(limit=9))) == []
        (again,) = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 1))
        assert (again.state, again.attempts) == (JobState.READY, 1)


class TestWithdrawing:
    async def test_what_nobody_works_at_is_gone(self, storage: Storage) -> None:
        job = a_job()
        await storage.write(lambda uow: uow.jobs.ask(job))
        await storage.write(lambda uow: uow.jobs.withdraw(job.id))
        await storage.write(lambda uow: uow.jobs.withdraw(job.id))
        assert list(await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 1))) == []

    async def test_what_is_claimed_goes_on(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.withdraw(mine.id))
        await storage.write(lambda uow: uow.jobs.finish(mine))


class TestClaiming:
    async def test_a_claim_leases_and_counts(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        assert (mine.leased_until, mine.attempts, mine.fence) == (LEASE, 1, 1)
        assert list(await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 9))) == []

    async def test_only_due_jobs_earliest_first_up_to_the_limit(self, storage: Storage) -> None:
        jobs = [a_job(due=NOW + SECOND * n) for n in (-1, 0, -2, 1)]
        await storage.write(lambda uow: uow.jobs.ask(*jobs))
        first = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 2))
        rest = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 2))
        assert [job.id for job in (*first, *rest)] == [jobs[2].id, jobs[0].id, jobs[1].id]

    async def test_only_the_kinds_asked_for(self, storage: Storage) -> None:
        jobs = [a_job(kind) for kind in (JobKind.SWEEP, JobKind.EXPIRE, JobKind.PROBE)]
        await storage.write(lambda uow: uow.jobs.ask(*jobs))
        kinds = iter([JobKind.PROBE, JobKind.SWEEP])
        taken = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 9, list(kinds)))
        assert {job.kind for job in taken} == {JobKind.PROBE, JobKind.SWEEP}

    async def test_a_lease_ends(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        assert list(await storage.write(lambda uow: uow.jobs.claim(LEASE - SECOND, LEASE, 9))) == []
        (other,) = await storage.write(lambda uow: uow.jobs.claim(LEASE, LEASE + HOUR, 9))
        assert (other.id, other.fence, other.attempts) == (mine.id, 2, 2)

    async def test_workers_at_once_never_share_a_job(self, storage: Storage) -> None:
        jobs = [a_job() for _ in range(60)]
        await storage.write(lambda uow: uow.jobs.ask(*jobs))

        async def worker() -> list[Job]:
            return list(await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 5)))

        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(worker()) for _ in range(20)]
        taken = [job.id for task in workers for job in task.result()]
        assert len(taken) == len(set(taken))
        while more := await worker():
            taken += [job.id for job in more]
        assert sorted(taken) == sorted(job.id for job in jobs)


class TestFinishing:
    async def test_a_finished_job_is_gone(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.finish(mine))
        assert list(await storage.write(lambda uow: uow.jobs.claim(LEASE, LEASE, 9))) == []
        assert await storage.write(lambda uow: uow.jobs.ensure(a_job(subject=mine.subject))) is True

    async def test_a_job_that_was_asked_for_again_meanwhile_is_due_again(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.ask(a_job(subject=mine.subject)))
        await storage.write(lambda uow: uow.jobs.finish(mine))
        (again,) = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 9))
        assert (again.id, again.revision, again.attempts) == (mine.id, 2, 1)
        await storage.write(lambda uow: uow.jobs.finish(again))
        assert list(await storage.write(lambda uow: uow.jobs.claim(LEASE, LEASE, 9))) == []

    async def test_only_the_newest_claim_may_end_it(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        (other,) = await storage.write(lambda uow: uow.jobs.claim(LEASE, LEASE + HOUR, 1))
        with pytest.raises(LeaseLost):
            await storage.write(lambda uow: uow.jobs.finish(mine))
        with pytest.raises(LeaseLost):
            await storage.write(lambda uow: uow.jobs.postpone(mine, NOW, "late"))
        with pytest.raises(LeaseLost):
            await storage.write(lambda uow: uow.jobs.bury(mine, "late"))
        await storage.write(lambda uow: uow.jobs.finish(other))

    async def test_a_job_ends_once(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.finish(mine))
        with pytest.raises(LeaseLost):
            await storage.write(lambda uow: uow.jobs.finish(mine))
        with pytest.raises(LeaseLost):
            await storage.write(lambda uow: uow.jobs.postpone(mine, NOW, ""))

    async def test_an_attempt_that_was_none_can_be_taken_back(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.postpone(replace(mine, attempts=0), NOW, ""))
        (again,) = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 9))
        assert (again.id, again.attempts) == (mine.id, 1)

    async def test_a_job_that_was_given_back_is_no_longer_ours(self, storage: Storage) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.postpone(mine, NOW, ""))
        with pytest.raises(LeaseLost):
            await storage.write(lambda uow: uow.jobs.finish(mine))
        assert len(await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 9))) == 1


class TestPostponing:
    @pytest.mark.parametrize(("keep", "attempts"), [(True, 2), (False, 1)])
    async def test_it_is_due_later_with_its_error(self, storage: Storage, attempts: int, *, keep: bool) -> None:
        mine = await claimed(storage, a_job())
        await storage.write(lambda uow: uow.jobs.postpone(mine, NOW + SECOND, "нет связи", keep_attempts=keep))
        assert await storage.read(lambda uow: uow.jobs.next_due()) == NOW + SECOND
        assert list(await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 9))) == []
        (again,) = await storage.write(lambda uow: uow.jobs.claim(NOW + SECOND, LEASE, 9))
        assert (again.error, again.attempts, again.fence) == ("нет связи", attempts, 2)


class TestDeadJobs:
    async def test_they_wait_for_a_person_and_are_listed_by_key(self, storage: Storage) -> None:
        jobs = sorted((a_job() for _ in range(3)), key=lambda job: job.id)
        for job in jobs:
            mine = await claimed(storage, job)
            await storage.write(lambda uow, mine=mine: uow.jobs.bury(mine, "отказ"))  # type: ignore[misc]
        assert list(await storage.write(lambda uow: uow.jobs.claim(LEASE, LEASE, 9))) == []
        assert await storage.read(lambda uow: uow.jobs.next_due()) is None
        first = await storage.read(lambda uow: uow.jobs.dead(limit=2))
        rest = await storage.read(lambda uow: uow.jobs.dead(limit=2, after=first[-1].id))
        assert [job.id for job in (*first, *rest)] == [job.id for job in jobs]
        assert {(job.state, job.error, job.leased_until) for job in first} == {(JobState.DEAD, "отказ", None)}

    async def test_one_is_found_by_its_id_like_any_other_job(self, storage: Storage) -> None:
        mine, other = await claimed(storage, a_job()), a_job()
        assert await storage.read(lambda uow: uow.jobs.find(mine.id)) == mine
        await storage.write(lambda uow: uow.jobs.bury(mine, "отказ"))
        await storage.write(lambda uow: uow.jobs.ask(other))
        dead = await storage.read(lambda uow: uow.jobs.find(mine.id))
        assert dead is not None
        assert (dead.id, dead.state, dead.error) == (mine.id, JobState.DEAD, "отказ")
        assert await storage.read(lambda uow: uow.jobs.find(other.id)) == other
        (taken,) = await storage.write(lambda uow: uow.jobs.claim(NOW, LEASE, 1))
        await storage.write(lambda uow: uow.jobs.finish(taken))
        assert await storage.read(lambda uow: uow.jobs.find(other.id)) is None


class TestAnOldClaim:
    """A worker that stood still comes back with the claim of a job that was done and asked for again since."""

    @pytest.mark.parametrize(
        "end",
        [
            lambda jobs, old: jobs.finish(old),
            lambda jobs, old: jobs.postpone(old, NOW, "late"),
            lambda jobs, old: jobs.bury(old, "late"),
        ],
        ids=["finish", "postpone", "bury"],
    )
    async def test_it_ends_nothing(self, storage: Storage, end: Callable[[Jobs, Job], None]) -> None:
        job = a_job()
        old = await claimed(storage, job)
        (second,) = await storage.write(lambda uow: uow.jobs.claim(LEASE, LEASE + HOUR, 1))
        await storage.write(lambda uow: uow.jobs.finish(second))
        await storage.write(lambda uow: uow.jobs.ask(job))
        (new,) = await storage.write(lambda uow: uow.jobs.claim(LEASE + HOUR, LEASE + 2 * HOUR, 1))
        assert new.fence == old.fence

        with pytest.raises(LeaseLost):
            await storage.write(lambda uow: end(uow.jobs, old))
        await storage.write(lambda uow: uow.jobs.finish(new))


class TestHandingOver:
    """A job that is handed over is leased, but nobody has tried it; whoever takes it first, has it."""

    async def handed(self, storage: Storage, job: Job) -> Ticket:
        await storage.write(lambda uow: uow.jobs.ask(job))
        (handed,) = await storage.write(lambda uow: uow.jobs.hand_over(NOW, LEASE, 1))
        assert (handed.leased_until, handed.attempts, handed.fence) == (LEASE, 0, 1)
        return Ticket.of(handed)

    async def test_it_is_nobody_elses_until_its_lease_ends(self, storage: Storage) -> None:
        ticket = await self.handed(storage, a_job())
        assert list(await storage.write(lambda uow: uow.jobs.hand_over(LEASE - SECOND, LEASE, 9))) == []
        assert list(await storage.write(lambda uow: uow.jobs.claim(LEASE - SECOND, LEASE, 9))) == []
        (again,) = await storage.write(lambda uow: uow.jobs.hand_over(LEASE, LEASE + HOUR, 9))
        assert (again.id, again.fence, again.attempts) == (ticket.id, 2, 0)

    async def test_earliest_first_up_to_the_limit(self, storage: Storage) -> None:
        jobs = [a_job(due=NOW + SECOND * n) for n in (-1, 0, -2, 1)]
        await storage.write(lambda uow: uow.jobs.ask(*jobs))
        handed = await storage.write(lambda uow: uow.jobs.hand_over(NOW, LEASE, 2))
        assert [job.id for job in handed] == [jobs[2].id, jobs[0].id]

    async def test_taking_is_the_attempt_and_works_once(self, storage: Storage) -> None:
        ticket = await self.handed(storage, a_job())
        mine = await storage.write(lambda uow: uow.jobs.take(ticket, LEASE + HOUR))
        assert mine is not None
        assert (mine.id, mine.leased_until, mine.attempts, mine.fence) == (ticket.id, LEASE + HOUR, 1, 2)
        assert await storage.write(lambda uow: uow.jobs.take(ticket, LEASE)) is None
        await storage.write(lambda uow: uow.jobs.finish(mine))
        assert await storage.write(lambda uow: uow.jobs.take(ticket, LEASE)) is None

    async def test_an_old_ticket_is_good_no_more(self, storage: Storage) -> None:
        old = await self.handed(storage, a_job())
        (again,) = await storage.write(lambda uow: uow.jobs.hand_over(LEASE, LEASE + HOUR, 9))
        assert await storage.write(lambda uow: uow.jobs.take(old, LEASE + HOUR)) is None
        taken = await storage.write(lambda uow: uow.jobs.take(Ticket.of(again), LEASE + HOUR))
        assert taken is not None
        assert taken.attempts == 1

    async def test_nor_is_one_of_a_job_that_is_done_for_the_same_job_asked_for_again(self, storage: Storage) -> None:
        job = a_job()
        old = await self.handed(storage, job)
        taken = await storage.write(lambda uow: uow.jobs.take(old, LEASE))
        assert taken is not None
        await storage.write(lambda uow: uow.jobs.finish(taken))
        await storage.write(lambda uow: uow.jobs.ask(job))
        (new,) = await storage.write(lambda uow: uow.jobs.hand_over(LEASE, LEASE + HOUR, 9))
        assert new.fence == old.fence
        assert await storage.write(lambda uow: uow.jobs.take(old, LEASE + HOUR)) is None
        assert await storage.write(lambda uow: uow.jobs.take(Ticket.of(new), LEASE + HOUR)) is not None

    async def test_nor_is_one_of_a_job_that_was_given_back(self, storage: Storage) -> None:
        ticket = await self.handed(storage, a_job())
        mine = await storage.write(lambda uow: uow.jobs.take(ticket, LEASE))
        assert mine is not None
        await storage.write(lambda uow: uow.jobs.postpone(mine, NOW, "later"))
        tickets = [ticket, replace(ticket, fence=mine.fence)]
        assert await storage.write(lambda uow: [uow.jobs.take(each, LEASE) for each in tickets]) == [None, None]

    async def test_many_takers_at_once_one_job(self, storage: Storage) -> None:
        ticket = await self.handed(storage, a_job())
        takes = [storage.write(lambda uow: uow.jobs.take(ticket, LEASE)) for _ in range(8)]
        assert sum(job is not None for job in await asyncio.gather(*takes)) == 1

    async def test_one_that_is_asked_for_again_meanwhile_is_due_again_afterwards(self, storage: Storage) -> None:
        job = a_job()
        ticket = await self.handed(storage, job)
        taken = await storage.write(lambda uow: uow.jobs.take(ticket, LEASE))
        assert taken is not None
        await storage.write(lambda uow: uow.jobs.ask(job))
        await storage.write(lambda uow: uow.jobs.finish(taken))
        assert len(await storage.write(lambda uow: uow.jobs.hand_over(NOW, LEASE, 9))) == 1
