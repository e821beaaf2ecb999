"""The schema: made by migrations alone, the same as the tables say, forwards and back."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from tests.contracts.storage.conftest import Bell, WallClock
from tests.postgres import apart

from veilbot_adapters.database import connect, migrate, pending
from veilbot_adapters.database.database import parse
from veilbot_adapters.database.schema import config, transaction
from veilbot_adapters.database.tables import REVISION, metadata
from veilbot_core.domain.errors import Rejected

REVISIONS = [f"{number:04}" for number in range(1, int(REVISION) + 1)]


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


async def inside(url: str, work: Callable[[Connection], Any]) -> Any:
    async with transaction(parse(url)) as connection:
        return await connection.run_sync(work)


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_an_empty_database_gets_every_revision_once(empty_url: str) -> None:
    assert await pending(empty_url) == REVISIONS
    assert await migrate(empty_url) == REVISIONS
    assert await migrate(empty_url) == []
    assert await pending(empty_url) == []


async def test_migrations_make_what_the_tables_say(empty_url: str) -> None:
    await migrate(empty_url)
    assert await inside(empty_url, differences) == []


async def test_the_checks_are_the_same_in_both(empty_url: str) -> None:
    """Alembic does not compare CHECK constraints, so we do, by name."""
    await migrate(empty_url)

    def named(connection: Connection) -> set[str | None]:
        inspector = inspect(connection)
        return {check["name"] for table in metadata.tables for check in inspector.get_check_constraints(table)}

    wanted = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if str(constraint.name).startswith("ck_")
    }
    assert await inside(empty_url, named) == wanted


async def test_up_down_and_up_again(empty_url: str) -> None:
    await migrate(empty_url)
    await inside(empty_url, lambda connection: command.downgrade(config(connection), "base"))
    left = await inside(empty_url, lambda connection: inspect(connection).get_table_names())
    assert left == ["alembic_version"]
    assert await migrate(empty_url) == REVISIONS
    assert await inside(empty_url, differences) == []


async def test_two_processes_at_once_migrate_once(empty_url: str) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(migrate(empty_url)) for _ in range(3)]
    assert sorted(task.result() for task in tasks) == [[], [], REVISIONS]


async def test_a_schema_that_is_missing_old_or_new_is_rejected(empty_url: str) -> None:
    database = connect(empty_url, Bell(), WallClock())
    with pytest.raises(Rejected, match="veilbot migrate"):
        await database.check()
    await migrate(empty_url)
    await database.check()
    for revision, hint in (("0000", "veilbot migrate"), ("9999", "newer")):
        change = text(f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608
        async with transaction(parse(empty_url)) as connection:
            await connection.execute(change)
        with pytest.raises(Rejected, match=hint):
            await database.check()
        with pytest.raises(Rejected):
            await migrate(empty_url)
        with pytest.raises(Rejected):
            await pending(empty_url)
    await database.close()


def test_looking_for_what_is_pending_makes_no_file(tmp_path: Path) -> None:
    assert apart(pending(f"sqlite:///{tmp_path}/none.db")) == REVISIONS
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_is_nobody_elses_to_read(tmp_path: Path) -> None:
    apart(migrate(f"sqlite:///{tmp_path}/shop.db"))
    assert "shop.db" in {file.name for file in tmp_path.iterdir()}
    assert not any(file.stat().st_mode & 0o077 for file in tmp_path.iterdir())
