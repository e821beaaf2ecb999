"""The database server itself dies by SIGKILL, several times, while customers buy, renew and are paid back."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.journeys.world import eventually, open_world
from tests.kills.market import API, PATIENCE, WORKER, Market, open_market
from tests.kills.verdict import everything_is_right
from tests.postgres import PrivateServer, private_server

from veilbot_core.domain.errors import PortError

CRASHES = 5
EACH = 12
"""Things that customers do before each crash, and as many during it."""


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Market, PrivateServer]]:
    with private_server() as server:
        server.create("shop", "template1")
        async with open_world(tmp_path, server.url("shop")) as world, open_market(world) as market:
            yield market, server


async def test_nothing_is_lost_when_the_database_dies(place: tuple[Market, PrivateServer]) -> None:
    market, server = place
    began = time.monotonic()
    market.start(API)
    market.start(WORKER)
    await market.grow(EACH)
    for _ in range(CRASHES):
        await customers(market)
        async with asyncio.TaskGroup() as group:
            group.create_task(customers(market))
            group.create_task(crash(server))
    await everything_is_right(market)
    sys.stdout.write(f"postgres: {CRASHES} crashes, {market.figures()}, {time.monotonic() - began:.0f} s\n")


async def customers(market: Market) -> None:
    """Come one after another; who meets a database that is away comes again later."""
    for _ in range(EACH):
        with suppress(PortError):
            await market.act()


async def crash(server: PrivateServer) -> None:
    """Kill the server in the middle of it, and start it again as soon as its last process is gone."""
    await asyncio.to_thread(server.stop, signal.SIGKILL)

    async def started() -> bool:
        try:
            await asyncio.to_thread(server.start)
        except RuntimeError:
            return False  # its children still hold the memory
        return True

    await eventually("Postgres to be back", started, PATIENCE)
