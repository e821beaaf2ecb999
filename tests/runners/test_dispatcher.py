"""Workers that share their jobs by a queue: the database stays the truth, whatever the queue does."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from tests.waiting import PATIENCE, until

from veilbot_adapters.memory import MemoryDoorbell, MemoryJobQueue, MemoryStorage
from veilbot_adapters.system import SystemClock
from veilbot_core.application import Application
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.ids import derive
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.policy import Policy
from veilbot_runners.container import open_container
from veilbot_runners.settings import load
from veilbot_runners.worker import Worker

LEASE = timedelta(hours=1)
"""Longer than any test: what comes sooner did not wait for it."""


class LeapingClock(SystemClock):
    """Real time, but for what a test leaves out."""

    left_out = timedelta()

    def now(self) -> datetime:
        return super().now() + self.left_out


@dataclass(kw_only=True)
class Shop:
    """A shop whose alerts only count, and the queue between its workers."""

    application: Application
    storage: MemoryStorage
    clock: LeapingClock
    queue: MemoryJobQueue = field(default_factory=MemoryJobQueue)
    runs: Counter[UUID] = field(default_factory=Counter)
    attempts: list[int] = field(default_factory=list)

    async def count(self, job: Job) -> None:
        self.runs[job.subject] += 1
        self.attempts.append(job.attempts)
        await self.application.storage.write(lambda uow: uow.jobs.finish(job))

    async def ask(self, count: int) -> set[UUID]:
        jobs = [Job.ask(JobKind.ALERT, derive("alert", n), self.application.clock.now()) for n in range(count)]
        await self.application.storage.write(lambda uow: uow.jobs.ask(*jobs))
        return {job.subject for job in jobs}

    @asynccontextmanager
    async def workers(self, count: int, *, slots: int = 8) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(count):
                worker = Worker(application=self.application, slots=slots, poll=0.05, drain=2.0, queue=self.queue)
                group.create_task(worker.run(stop))
            yield
            stop.set()

    async def done(self, subjects: set[UUID]) -> None:
        await until(lambda: set(self.runs) == subjects)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    clock, bell = LeapingClock(), MemoryDoorbell()
    storage, policy = MemoryStorage(bell, clock), Policy(lease=LEASE)
    settings = load(env_file=None)
    async with open_container(settings, storage=storage, clock=clock, doorbell=bell, policy=policy) as container:
        application = container.application()
        shop = Shop(application=application, storage=storage, clock=clock)
        handlers = {**application.work.handlers, JobKind.ALERT: shop.count}
        shop.application = replace(application, work=replace(application.work, handlers=handlers))
        yield shop


async def test_each_job_is_run_once_and_counts_one_attempt(shop: Shop) -> None:
    subjects = await shop.ask(300)
    async with shop.workers(3):
        await shop.done(subjects)
    assert set(shop.runs.values()) == {1}
    assert set(shop.attempts) == {1}
    assert shop.queue.calls["put"] < 100
    assert not shop.queue.waiting


async def test_what_a_purge_loses_comes_back_with_its_lease(shop: Shop) -> None:
    subjects = await shop.ask(20)
    tickets = await shop.application.work.hand_over(100)
    assert len(tickets) == 20
    async with shop.workers(1):
        await asyncio.sleep(0.2)  # four looks
        assert not shop.runs
        shop.clock.left_out = LEASE
        await shop.done(subjects)
    assert set(shop.runs.values()) == set(shop.attempts) == {1}


async def test_doubled_old_and_shuffled_tickets_change_nothing(shop: Shop) -> None:
    subjects = await shop.ask(30)
    old = await shop.application.work.hand_over(100)
    shop.clock.left_out = LEASE
    new = await shop.application.work.hand_over(100)
    assert {ticket.fence for ticket in new} == {2}
    await shop.queue.put([*reversed(old), *new, *old, *reversed(new), *new])
    async with shop.workers(2):
        await shop.done(subjects)
    assert set(shop.runs.values()) == set(shop.attempts) == {1}


async def test_while_the_queue_is_out_of_reach_a_worker_runs_what_it_claims(shop: Shop) -> None:
    shop.queue.fail_next(Unavailable("gone"), on="room", times=1_000_000)
    subjects = await shop.ask(40)
    async with shop.workers(2):
        await shop.done(subjects)
    assert set(shop.runs.values()) == set(shop.attempts) == {1}
    assert shop.queue.calls["put"] == 0


@pytest.mark.parametrize("heard", [True, False])
async def test_what_the_queue_did_not_take_is_run_at_once(shop: Shop, *, heard: bool) -> None:
    if heard:
        shop.queue.apply_then_fail(Unavailable("no confirmation"), on="put")
    else:
        shop.queue.fail_next(Unavailable("gone"), on="put")
    subjects = await shop.ask(40)
    async with shop.workers(1):
        await shop.done(subjects)
    assert set(shop.runs.values()) == set(shop.attempts) == {1}


async def test_a_queue_without_room_is_left_to_empty_itself(shop: Shop) -> None:
    shop.queue = MemoryJobQueue(backlog=5)
    subjects = await shop.ask(40)
    async with shop.workers(2, slots=2):
        await shop.done(subjects)
    assert shop.queue.calls["put"] >= 40 / 5
    assert set(shop.runs.values()) == {1}


async def test_a_taker_without_a_database_keeps_its_ticket_until_there_is_one(shop: Shop) -> None:
    subjects = await shop.ask(1)
    tickets = await shop.application.work.hand_over(1)
    async with shop.workers(1):
        await asyncio.sleep(0.05)
        shop.storage.fail_next(Unavailable("away"), times=3)
        await shop.queue.put(tickets)
        await shop.done(subjects)
    assert set(shop.runs.values()) == {1}


async def test_schedules_go_through_it_too(shop: Shop) -> None:
    work, begun = shop.application.work, shop.clock.now()
    async with shop.workers(1):
        await until(lambda: shop.queue.calls["put"] > 0)
        while (due := await work.next_due()) is None or due - begun < min(work.policy.every.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not await work.dead(limit=9)
