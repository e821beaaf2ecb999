"""A world per test, on each database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.journeys.world import World, open_world


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    """The sandbox, and nothing of the shop yet."""
    async with open_world(tmp_path, database_url) as opened:
        yield opened
