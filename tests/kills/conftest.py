"""Markets: a sandbox, a stocked shop of which nothing runs yet, and its customers.

Without ``VEILBOT_TEST_KILLS``, the number of deaths at each point, nothing here is collected: it takes many minutes.
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.journeys.world import open_world
from tests.kills.market import Market, open_market
from tests.postgres import Server

collect_ignore_glob = [] if os.environ.get("VEILBOT_TEST_KILLS") else ["test_*.py"]
_numbers = itertools.count(1)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of the kind that ``indirect`` parameters choose."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
        return
    server: Server = request.getfixturevalue("postgres")
    name = f"kills_{next(_numbers)}"
    server.create(name, "template1")
    yield server.url(name)
    server.drop(name)


@pytest.fixture
async def market(tmp_path: Path, database_url: str) -> AsyncIterator[Market]:
    async with open_world(tmp_path, database_url) as world, open_market(world) as opened:
        yield opened
