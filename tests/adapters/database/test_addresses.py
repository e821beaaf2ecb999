"""The address decides the database, and a wrong one says so without repeating a password."""

import pytest
from tests.contracts.storage.conftest import Bell, WallClock

from veilbot_adapters.database import connect, migrate, pending
from veilbot_adapters.database.postgres import PostgresDatabase
from veilbot_adapters.database.sqlite import SqliteDatabase
from veilbot_core.domain.errors import InvalidInput, Unavailable

WRONG = [
    "",
    "veilbot.db",
    "mysql://root:hunter2@localhost/veilbot",
    "postgresql://veilbot:hunter2@localhost/veilbot",
    "postgresql+asyncpg://veilbot:hunter2@localhost",
    "postgresql+asyncpg:///veilbot",
    "postgresql+asyncpg://veilbot:hunter2@localhost:port/veilbot",
    "sqlite+aiosqlite://",
    "sqlite:///:memory:",
]


@pytest.mark.parametrize("url", ["sqlite:///some.db", "sqlite+aiosqlite:////tmp/some.db"])
async def test_a_file_is_sqlite(url: str) -> None:
    database = connect(url, Bell(), WallClock())
    assert isinstance(database, SqliteDatabase)
    await database.close()


async def test_a_server_is_postgres() -> None:
    database = connect("postgresql+asyncpg://me:pw@127.0.0.1:1/shop", Bell(), WallClock())
    assert isinstance(database, PostgresDatabase)
    await database.close()


@pytest.mark.parametrize("url", WRONG)
async def test_anything_else_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        connect(url, Bell(), WallClock())
    assert "\n" not in refused.value.message
    assert "hunter2" not in str(refused.value)
    with pytest.raises(InvalidInput):
        await migrate(url)
    with pytest.raises(InvalidInput):
        await pending(url)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    url = "postgresql+asyncpg://veilbot:hunter2@127.0.0.1:1/veilbot"
    database = connect(url, Bell(), WallClock())
    for work in (database.check(), database.write(lambda _: None), database.read(lambda _: None), migrate(url)):
        with pytest.raises(Unavailable) as failed:
            await work
        assert "hunter2" not in str(failed.value)
    await database.close()
    with pytest.raises(Unavailable):
        await database.read(lambda _: None)


async def test_a_wrong_password_or_database_is_unavailable(postgres_url: str) -> None:
    database = connect(f"{postgres_url}_missing", Bell(), WallClock())
    with pytest.raises(Unavailable):
        await database.check()
    await database.close()
