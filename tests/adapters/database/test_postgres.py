"""What only Postgres promises: a server may go and come back."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import datetime

import pytest
from sqlalchemy import text
from tests.contracts.storage.conftest import Bell, WallClock
from tests.contracts.storage.things import a_job, a_subscription, a_tariff, a_user
from tests.postgres import PrivateServer, private_server
from tests.waiting import PATIENCE, until

from veilbot_adapters.database import Database, connect, migrate
from veilbot_adapters.database.database import parse
from veilbot_adapters.database.schema import transaction
from veilbot_core.domain.errors import Conflict, NotFound, Rejected, Unavailable, Unknown
from veilbot_core.ports.storage import UnitOfWork

_DIE = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$
"""
_DIE_AT_COMMIT = """
CREATE CONSTRAINT TRIGGER die AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION die()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with private_server() as server:
        yield server


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = connect(postgres_url, Bell(), WallClock())
    yield database
    await database.close()


async def warm(database: Database) -> None:
    """Fill the pool, so that it holds connections that a restart makes stale."""
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(database.write(lambda uow: uow.users.add(a_user())))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_dies_and_comes_back(server: PrivateServer, how: signal.Signals) -> None:
    name = f"shop_{how}"
    server.create(name, "template1")
    await migrate(server.url(name))
    database = connect(server.url(name), Bell(), WallClock())
    await warm(database)

    server.stop(how)
    with pytest.raises(Unavailable):
        await database.write(lambda uow: uow.users.add(a_user()))
    with pytest.raises(Unavailable):
        await database.read(lambda uow: uow.users.page(limit=1))
    with pytest.raises(Unavailable):
        await database.check()
    server.start()

    await warm(database)
    assert len(await database.read(lambda uow: uow.users.page(limit=99))) == 16
    await database.close()


async def test_a_restart_between_two_units_of_work_is_not_noticed(server: PrivateServer) -> None:
    server.create("restart", "template1")
    await migrate(server.url("restart"))
    bell = Bell()
    database = connect(server.url("restart"), bell, WallClock())
    await warm(database)
    server.stop()
    server.start()
    await warm(database)
    await database.write(lambda uow: uow.jobs.ask(a_job()))
    assert bell.rings == 1
    await database.close()


async def test_a_connection_that_breaks_in_the_middle_is_made_again(database: Database) -> None:
    tries: list[int] = []

    def work(uow: UnitOfWork) -> None:
        uow.users.add(a_user())
        tries.append(len(tries))
        if len(tries) == 1:
            uow.users._session._cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())", ())  # type: ignore[attr-defined]

    await database.write(work)
    assert tries == [0, 1]
    assert len(await database.read(lambda uow: uow.users.page(limit=9))) == 1


async def test_a_connection_that_breaks_in_the_commit_leaves_it_unknown(own_postgres_url: str) -> None:
    database = connect(own_postgres_url, Bell(), WallClock())
    async with transaction(parse(own_postgres_url)) as connection:
        for statement in (_DIE, _DIE_AT_COMMIT):
            await connection.execute(text(statement))
    with pytest.raises(Unknown):
        await database.write(lambda uow: uow.users.add(a_user()))
    assert list(await database.read(lambda uow: uow.users.page(limit=9))) == []
    await database.close()


async def test_a_schema_that_changes_under_a_running_process(own_postgres_url: str) -> None:
    database = connect(own_postgres_url, Bell(), WallClock())
    user = a_user()
    await database.write(lambda uow: uow.users.add(user))
    await database.read(lambda uow: uow.users.get(user.id))
    async with transaction(parse(own_postgres_url)) as connection:
        await connection.execute(text("ALTER TABLE users ALTER COLUMN language TYPE varchar(40)"))
    assert await database.read(lambda uow: uow.users.get(user.id)) == user
    await database.close()


async def test_more_callers_than_connections_take_turns(database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(60):
            group.create_task(database.write(lambda uow: uow.users.add(a_user())))
    assert len(await database.read(lambda uow: uow.users.page(limit=99))) == 60


async def test_a_caller_who_gives_up_leaves_a_sound_connection(database: Database) -> None:
    def slow(uow: UnitOfWork) -> None:
        uow.users._session._cursor.execute("SELECT pg_sleep(5)", ())  # type: ignore[attr-defined]

    for _ in range(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await database.write(slow)
    await database.write(lambda uow: uow.users.add(a_user()))


async def test_a_caller_who_swallows_a_failure_is_told_that_nothing_was_written(database: Database) -> None:
    user = a_user()

    def work(uow: UnitOfWork) -> None:
        uow.users.add(user)
        with contextlib.suppress(Conflict):
            uow.subscriptions.add(a_subscription(a_user(), a_tariff()))

    with pytest.raises(Conflict):
        await database.write(work)
    with pytest.raises(NotFound):
        await database.read(lambda uow: uow.users.get(user.id))


async def test_a_connection_does_not_remember_every_statement_for_ever(own_postgres_url: str) -> None:
    database = connect(own_postgres_url, Bell(), WallClock())

    def many(uow: UnitOfWork) -> None:
        cursor = uow.users._session._cursor  # type: ignore[attr-defined]
        for number in range(300):
            cursor.execute(f"SELECT {number}", ())
            assert cursor.fetchone()[0] == number

    def prepared(uow: UnitOfWork) -> int:
        cursor = uow.users._session._cursor  # type: ignore[attr-defined]
        cursor.execute("SELECT count(*) FROM pg_prepared_statements", ())
        return int(cursor.fetchone()[0])

    for _ in range(2):
        await database.read(many)
    assert 200 < await database.read(prepared) < 270
    await database.close()


async def test_closing_lets_go_of_every_connection(own_postgres_url: str) -> None:
    database, elsewhere = (connect(own_postgres_url, Bell(), WallClock()) for _ in range(2))

    begun = False

    def slow(uow: UnitOfWork) -> None:
        nonlocal begun
        begun = True
        uow.users._session._cursor.execute("SELECT pg_sleep(0.3)", ())  # type: ignore[attr-defined]
        uow.users.add(a_user())

    def others(uow: UnitOfWork) -> int:
        cursor = uow.users._session._cursor  # type: ignore[attr-defined]
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid != pg_backend_pid()", ()
        )
        return int(cursor.fetchone()[0])

    async with asyncio.TaskGroup() as group:
        group.create_task(database.write(slow))
        await until(lambda: begun)
        await database.close()
    assert len(await elsewhere.read(lambda uow: uow.users.page(limit=9))) == 1
    async with asyncio.timeout(PATIENCE):  # the server takes a moment to see that they are gone
        while await elsewhere.read(others):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    await elsewhere.close()


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
