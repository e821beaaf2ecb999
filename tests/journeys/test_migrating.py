"""Processes that start at once on an empty database: one makes the schema, the others wait for it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from veilbot_adapters.database import pending

ENOUGH = 3


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


async def test_processes_that_migrate_at_once_all_end_well(empty_url: str, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VEILBOT_")}

    async def migrate() -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "veilbot_runners", "migrate"],
            env=kept | {"VEILBOT_DATABASE_URL": empty_url},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    done = await asyncio.gather(*(migrate() for _ in range(ENOUGH)))
    assert [one.returncode for one in done] == [0] * ENOUGH, [one.stderr for one in done]
    assert sum("0001" in one.stdout for one in done) == 1
    assert await pending(empty_url) == []
