"""What only SQLite promises: groups, threads, files."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from tests.contracts.storage.conftest import Bell, WallClock
from tests.contracts.storage.things import a_job, a_subscription, a_tariff, a_user, an_order
from tests.waiting import PATIENCE, until

from veilbot_adapters.database import Database, connect
from veilbot_adapters.database.database import file_of, parse
from veilbot_core.domain.errors import Conflict, Rejected, Unavailable, Unknown
from veilbot_core.ports.storage import UnitOfWork


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    database = connect(sqlite_url, Bell(), WallClock())
    yield database
    await database.close()


def threads() -> int:
    return sum(thread.name.startswith("sqlite-") for thread in threading.enumerate())


async def test_what_was_written_is_there_after_a_restart(database: Database, sqlite_url: str) -> None:
    user = a_user()
    await database.write(lambda uow: uow.users.add(user))
    await database.close()
    again = connect(sqlite_url, Bell(), WallClock())
    assert await again.read(lambda uow: uow.users.get(user.id)) == user
    await again.close()


async def test_every_commit_is_asked_to_reach_the_disk(database: Database, sqlite_url: str) -> None:
    def pragmas(uow: UnitOfWork) -> list[object]:
        cursor = uow.users._session._cursor  # type: ignore[attr-defined]
        return [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "foreign_keys")]

    full = 2
    assert await database.write(pragmas) == [full, 1]
    with sqlite3.connect(file_of(parse(sqlite_url))) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


@contextmanager
def held(
    database: Database, group: asyncio.TaskGroup, first: Callable[[UnitOfWork], object] = lambda _: None
) -> Iterator[tuple[threading.Event, asyncio.Task[bool]]]:
    """Let a unit of work hold the writer meanwhile; the others wait behind it."""
    begun, gate = threading.Event(), threading.Event()

    def hold(uow: UnitOfWork) -> bool:
        first(uow)
        begun.set()
        return gate.wait(PATIENCE)

    task = group.create_task(database.write(hold))
    try:
        yield begun, task
    finally:
        gate.set()


class Still(WallClock):
    """A group is closed after a moment; here it is not."""

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def gathering(sqlite_url: str) -> AsyncIterator[Database]:
    """A database in which all who wait become one group, however slow they are."""
    database = connect(sqlite_url, Bell(), Still())
    yield database
    await database.close()


async def test_a_failed_commit_fails_its_whole_group_and_nothing_else(gathering: Database) -> None:
    database, user, gate = gathering, a_user(), threading.Event()
    bell = database._doorbell  # type: ignore[attr-defined]

    def spoil(uow: UnitOfWork) -> None:
        uow.users._session._cursor.execute("PRAGMA defer_foreign_keys = ON")  # type: ignore[attr-defined]
        uow.orders.add(an_order(a_user(), a_tariff()))

    async def fails(work: object) -> None:
        with pytest.raises(Unknown):
            await database.write(work)  # type: ignore[arg-type]

    async with asyncio.TaskGroup() as group:
        group.create_task(fails(lambda _: gate.wait(PATIENCE)))  # the others wait behind it
        group.create_task(fails(lambda uow: uow.users.add(user)))
        group.create_task(fails(lambda uow: uow.jobs.ask(a_job())))
        group.create_task(fails(spoil))
        await asyncio.sleep(0)
        gate.set()
    assert list(await database.read(lambda uow: uow.users.page(limit=9))) == []
    assert bell.rings == 0
    await database.write(lambda uow: uow.users.add(user))
    assert await database.read(lambda uow: uow.users.get(user.id)) == user


async def test_many_writers_share_few_commits(gathering: Database, sqlite_url: str) -> None:
    database, path = gathering, file_of(parse(sqlite_url))
    await database.write(lambda uow: uow.users.add(a_user()))
    before = path.with_name(f"{path.name}-wal").stat().st_size
    async with asyncio.TaskGroup() as group:
        with held(database, group):
            for _ in range(100):
                group.create_task(database.write(lambda uow: uow.users.add(a_user())))
            await asyncio.sleep(0)
    pages = (path.with_name(f"{path.name}-wal").stat().st_size - before) / 4096
    assert pages < 60  # one commit each would have written three pages each


async def test_a_slow_unit_of_work_does_not_hold_up_the_loop(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        with held(database, group) as (begun, slow):
            await until(begun.is_set)
            for _ in range(10):
                await asyncio.sleep(0.005)
            assert not slow.done()
    assert slow.result(), "it would still wait if it held up who lets it go"


async def test_readers_do_not_wait_for_the_writer(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        with held(database, group, lambda uow: uow.users.add(a_user())) as (begun, slow):
            await until(begun.is_set)
            assert list(await database.read(lambda uow: uow.users.page(limit=1))) == []
            assert not slow.done()
    assert len(await database.read(lambda uow: uow.users.page(limit=9))) == 1


async def test_a_writer_waits_for_another_process(database: Database, sqlite_url: str) -> None:
    other = sqlite3.connect(file_of(parse(sqlite_url)), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(database.write(lambda uow: uow.users.add(a_user())))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        other.execute("COMMIT")
    other.close()


async def test_the_threads_end_with_the_last_of_the_work(sqlite_url: str) -> None:
    before = threads()
    database = connect(sqlite_url, Bell(), WallClock())
    assert threads() == before  # nothing is opened before it is used
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(database.write(lambda uow: uow.users.add(a_user())))
        await asyncio.sleep(0)
        group.create_task(database.close())
        group.create_task(database.close())
    assert threads() == before
    await database.close()
    with pytest.raises(Unavailable):
        await database.write(lambda _: None)


async def test_it_outlives_the_loop_that_used_it(sqlite_url: str) -> None:
    database, gate = connect(sqlite_url, Bell(), WallClock()), threading.Event()

    async def leave() -> None:
        async with asyncio.timeout(0.01):
            await database.write(lambda _: gate.wait(PATIENCE))

    def elsewhere() -> None:
        with pytest.raises(TimeoutError):
            asyncio.run(leave())
        gate.set()
        asyncio.run(database.write(lambda uow: uow.users.add(a_user())))

    with ThreadPoolExecutor(1) as pool:
        await asyncio.wrap_future(pool.submit(elsewhere))
    assert len(await database.read(lambda uow: uow.users.page(limit=9))) == 1
    await database.close()


async def test_a_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    missing = connect(f"sqlite:///{tmp_path}/missing.db", Bell(), WallClock())
    with pytest.raises(Rejected, match="migrate"):
        await missing.check()
    with pytest.raises(Unavailable):
        await missing.write(lambda uow: uow.users.add(a_user()))
    await missing.close()
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_a_file_that_is_no_database_is_rejected(tmp_path: Path) -> None:
    await asyncio.to_thread((tmp_path / "text.db").write_text, "this is no database " * 100)
    wrong = connect(f"sqlite:///{tmp_path}/text.db", Bell(), WallClock())
    with pytest.raises(Rejected):
        await wrong.check()
    with pytest.raises(Rejected):
        await wrong.write(lambda uow: uow.users.add(a_user()))
    await wrong.close()


async def test_rules_of_the_database_are_conflicts(database: Database) -> None:
    with pytest.raises(Conflict):
        await database.write(lambda uow: uow.subscriptions.add(a_subscription(a_user(), a_tariff())))


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Rejected):
        await database.read(lambda uow: uow.users.add(a_user()))


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(ValueError, match="aware"):
        await database.write(lambda uow: uow.users.add(a_user(created_at=naive)))


async def test_a_unit_of_work_that_runs_dry_ends(database: Database) -> None:
    with pytest.raises(RuntimeError):
        await database.write(lambda _: next(iter([])))
