"""What the memory storage promises beyond its port."""

import asyncio
import contextlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contracts.storage.things import NOW, a_user

from veilbot_adapters.memory import MemoryClock, MemoryDoorbell, MemoryStorage
from veilbot_adapters.memory.tables import Index, Table, Unique
from veilbot_core.domain.errors import Conflict, NotFound, Unavailable, Unknown
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.user import User
from veilbot_core.ports.storage import UnitOfWork


@pytest.fixture
def doorbell() -> MemoryDoorbell:
    return MemoryDoorbell()


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def storage(doorbell: MemoryDoorbell, clock: MemoryClock) -> MemoryStorage:
    return MemoryStorage(doorbell, clock)


async def users(storage: MemoryStorage) -> list[User]:
    return list(await storage.read(lambda uow: uow.users.page(limit=100)))


class TestSwitches:
    async def test_the_next_call_can_fail_before_it_does_anything(self, storage: MemoryStorage) -> None:
        storage.fail_next(Unavailable("now"), times=2)
        with pytest.raises(Unavailable):
            await storage.write(lambda uow: uow.users.add(a_user()))
        with pytest.raises(Unavailable):
            await storage.check()
        assert await users(storage) == []

    async def test_the_next_commit_can_be_lost(self, storage: MemoryStorage, doorbell: MemoryDoorbell) -> None:
        storage.lose_next_commit()
        ran = list[object]()
        with pytest.raises(Unknown):
            await storage.write(lambda uow: ran.append(uow.users.add(a_user())))
        assert ran
        assert await users(storage) == []
        assert (storage.commits, doorbell.rings) == (0, 0)

    async def test_the_next_commit_can_be_kept_unheard(self, storage: MemoryStorage) -> None:
        storage.commit_then_fail()
        with pytest.raises(Unknown):
            await storage.write(lambda uow: uow.users.add(a_user()))
        assert len(await users(storage)) == storage.commits == 1

    async def test_an_error_of_the_function_spends_no_commit_switch(self, storage: MemoryStorage) -> None:
        storage.lose_next_commit()
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.users.save(a_user()))
        with pytest.raises(Unknown):
            await storage.write(lambda uow: uow.users.add(a_user()))

    async def test_the_next_write_can_run_twice(self, storage: MemoryStorage) -> None:
        storage.run_next_twice()
        user, seen = a_user(), list[int]()

        def work(uow: UnitOfWork) -> None:
            seen.append(len(uow.users.page(limit=10)))
            uow.users.add(user)

        await storage.write(work)
        assert seen == [0, 0]
        assert await users(storage) == [user]

    async def test_it_can_be_down_for_a_while(self, storage: MemoryStorage, clock: MemoryClock) -> None:
        storage.go_down(5)
        await clock.advance(4)
        with pytest.raises(Unavailable):
            await users(storage)
        await clock.advance(1)
        await storage.check()

    async def test_a_reader_that_writes_is_told(self, storage: MemoryStorage) -> None:
        with pytest.raises(TypeError, match="only reads"):
            await storage.read(lambda uow: uow.users.add(a_user()))


class TestPauses:
    async def test_others_go_on_before_and_after_but_never_inside(self, doorbell: MemoryDoorbell) -> None:
        story = list[str]()

        async def pause() -> None:
            story.append("pause")
            await asyncio.sleep(0)

        storage = MemoryStorage(doorbell, MemoryClock(), pause=pause)

        def work(name: str) -> Callable[[UnitOfWork], None]:
            return lambda _: story.extend([f"{name} begins", f"{name} ends"])

        async with asyncio.TaskGroup() as group:
            group.create_task(storage.write(work("a")))
            group.create_task(storage.write(work("b")))
        assert story == ["pause", "pause", "a begins", "a ends", "pause", "b begins", "b ends", "pause"]

    async def test_a_caller_who_leaves_after_the_commit_changes_nothing(self, doorbell: MemoryDoorbell) -> None:
        go = asyncio.Event()
        storage = MemoryStorage(doorbell, MemoryClock())
        storage._pause = go.wait  # type: ignore[assignment]
        async with asyncio.TaskGroup() as group:
            left_before = group.create_task(storage.write(lambda uow: uow.users.add(a_user())))
            await asyncio.sleep(0)
            left_before.cancel()
        go.set()
        assert await users(storage) == []


class TestDoorbell:
    async def test_it_rings_after_a_commit_that_made_work(
        self, storage: MemoryStorage, doorbell: MemoryDoorbell
    ) -> None:
        job = Job.ask(JobKind.SWEEP, EVERYTHING, NOW)
        await storage.write(lambda uow: uow.users.add(a_user()))
        assert doorbell.rings == 0
        await storage.write(lambda uow: uow.jobs.ask(job))
        assert doorbell.rings == 1
        (claimed,) = await storage.write(lambda uow: uow.jobs.claim(NOW, NOW, 1))
        await storage.write(lambda uow: uow.jobs.ensure(job))
        assert doorbell.rings == 1
        await storage.write(lambda uow: uow.jobs.ask(job))
        await storage.write(lambda uow: uow.jobs.finish(claimed))
        assert doorbell.rings == 3


Step = Callable[[UnitOfWork], object]
PEOPLE = [replace(a_user(), telegram_id=n % 3) for n in range(5)]
JOBS = [Job.ask(kind, EVERYTHING, NOW, detail=str(n)) for n, kind in enumerate((JobKind.ALERT, JobKind.SWEEP) * 2)]


def claimed(uow: UnitOfWork, then: Callable[[UnitOfWork, Job], None]) -> None:
    for job in uow.jobs.claim(NOW, NOW + timedelta(seconds=30), 1):
        then(uow, job)


STEPS: list[Step] = [
    *(lambda uow, user=user: uow.users.add(user) for user in PEOPLE),
    *(lambda uow, user=user: uow.users.save(replace(user, telegram_id=None)) for user in PEOPLE),
    *(lambda uow, job=job: uow.jobs.ask(job) for job in JOBS),
    *(lambda uow, job=job: uow.jobs.ask(replace(job, due=job.due - timedelta(days=1))) for job in JOBS),
    lambda uow: claimed(uow, lambda _, __: None),
    lambda uow: claimed(uow, lambda uow, job: uow.jobs.finish(job)),
    lambda uow: claimed(uow, lambda uow, job: uow.jobs.bury(job, "no")),
    lambda uow: claimed(uow, lambda uow, job: uow.jobs.postpone(job, NOW, "later")),
]


def world(storage: MemoryStorage) -> object:
    """Return a copy of all rows, indexes and names."""
    found: list[object] = []
    for repository in vars(storage._uow).values():
        for part in vars(repository).values():
            if isinstance(part, Table):
                found.append(part.rows)
            elif isinstance(part, Index):
                found.append(part._groups)
            elif isinstance(part, Unique):
                found.append(part._keys)
    return deepcopy(found)


def run(steps: list[Step]) -> Callable[[UnitOfWork], None]:
    def work(uow: UnitOfWork) -> None:
        for step in steps:
            with contextlib.suppress(Conflict, NotFound):
                step(uow)

    return work


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=12), st.lists(st.sampled_from(STEPS), max_size=12))
async def test_what_is_undone_never_was(kept: list[Step], undone: list[Step]) -> None:
    storage = MemoryStorage(MemoryDoorbell(), MemoryClock())
    await storage.write(run(kept))
    before = world(storage)
    storage.lose_next_commit()
    with pytest.raises(Unknown):
        await storage.write(run(undone))
    assert world(storage) == before


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=25))
async def test_indexes_follow_the_rows(steps: list[Step]) -> None:
    storage = MemoryStorage(MemoryDoorbell(), MemoryClock())
    await storage.write(run(steps))
    rows = storage._uow.jobs._table.rows
    indexes = (storage._uow.jobs._ready, storage._uow.jobs._leased, storage._uow.jobs._dead)
    indexed = [entry for index in indexes for entries in index._groups.values() for entry in entries]
    assert sorted(entry[-1] for entry in indexed) == sorted(job.id.int for job in rows.values())
    assert all(entries == sorted(entries) for index in indexes for entries in index._groups.values())
