"""Worlds: one with an open shop for all journeys on a database, or a new one for a test that kills it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.journeys.world import World, open_world
from tests.postgres import Server


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
async def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """An open shop: schema, a tariff, three servers, and the one process that is all of it."""
    folder = tmp_path_factory.mktemp("shop")
    url, server = f"sqlite+aiosqlite:///{folder / 'shop.db'}", None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        server.create("journeys", "template1")
        url = server.url("journeys")
    async with open_world(folder, url) as world:
        await world.stock()
        world.start("run")
        await world.ready()
        yield world
    if server is not None:
        server.drop("journeys")


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    """The sandbox and a stocked shop of which nothing runs yet."""
    async with open_world(tmp_path, database_url) as opened:
        await opened.stock()
        yield opened


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database; ``indirect`` parameters choose which."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
        return
    server: Server = request.getfixturevalue("postgres")
    name = f"killed_{abs(hash(request.node.name))}"
    server.create(name, "template1")
    yield server.url(name)
    server.drop(name)
