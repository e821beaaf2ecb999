"""Servers are emptied, one of each protocol at a time, while the worker dies, at each point that a move passes.

Nobody is ever without a key that works: at every look, the servers have what customers are given.
"""

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.process import BaseProcess

import pytest
from tests.kills.market import API, PATIENCE, ROUNDS, WORKER, Market
from tests.kills.verdict import ALL, everything_is_right
from tests.services.paths import PATHS, migration

from veilbot_core.domain.key import serving
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.failpoints import Point
from veilbot_core.services.fleet import Draft
from veilbot_runners.sandbox.v2ray_server import V2RayServer

CUSTOMERS = 5
PAIRS = (("Amsterdam 1", "Frankfurt 3"), ("Frankfurt 1", "Frankfurt 4"))
"""Servers that are emptied together: Outline and V2Ray."""
ON_POSTGRES = (Point.ANSWERED, Point.APPLIED)
CASES = [("sqlite", "sqlite", point) for point in Point if point in PATHS[migration]]
CASES += [("postgres", "postgres", point) for point in ON_POSTGRES]


@dataclass(kw_only=True)
class Operator:
    """Empties one pair of servers after another, each when the last is empty, and looks at all customers meanwhile."""

    market: Market
    pairs: Iterator[tuple[Server, ...]]
    leaving: tuple[Server, ...] = ()
    moves: int = 0
    looks: int = 0

    async def until_it_dies(self, process: BaseProcess) -> int | None:
        """Go on until the process is dead; return how it ended."""
        async with asyncio.timeout(PATIENCE):
            while process.exitcode is None:
                if await self.is_done():
                    await self.empty_the_next()
                await self.look()
        self.market.deaths += 1
        return process.exitcode

    async def come_to_an_end(self) -> None:
        """Wait until what was to be emptied is empty."""
        async with asyncio.timeout(PATIENCE):
            while not await self.is_done():
                await self.look()

    async def is_done(self) -> bool:
        ids = {server.id for server in self.leaving}
        return not any(server.reserved for server in await self.market.shop.fleet.all() if server.id in ids)

    async def empty_the_next(self) -> None:
        shop = self.market.shop
        for server in self.leaving:
            await shop.fleet.turn(server.id, ServerStatus.ACTIVE)
        self.leaving = next(self.pairs)
        for server in self.leaving:
            await shop.moving.ask(server.id)
        self.moves += 1

    async def look(self) -> None:
        """Prove that the servers have the keys that customers are given.

        A key may go between the two looks at the database and at the servers; then customers are not given it any more.
        """
        gone: set[tuple[str, str]] = set()
        while True:
            given = await self._given()
            assert not gone & given
            gone = given - self.market.there()
            self.looks += 1
            await asyncio.sleep(0.02)
            if not gone:
                return

    async def _given(self) -> set[tuple[str, str]]:
        """Return the keys that customers are given, one for each protocol: server's name and key's id."""
        keys = serving(await self.market.shop.subscriptions.keys(limit=ALL))
        assert Counter(key.protocol for key in keys) == dict.fromkeys(self.market.tariff.terms.protocols, CUSTOMERS)
        assert len({(key.subscription_id, key.protocol) for key in keys}) == len(keys)
        return {(key.name, str(key.id)) for key in keys}


@pytest.fixture
async def operator(market: Market) -> Operator:
    """Of a shop that sells two protocols in one tariff, with servers enough of both."""
    shop, cores = market.shop, market.world.sandbox.v2ray.servers
    for _, name in PAIRS:
        if name not in cores:
            cores[name] = V2RayServer(name)  # the sandbox stops it
            await cores[name].start()
        given = {"api": cores[name].api, "inbound": "in", "address": "127.0.0.1", "port": "443"}
        await shop.fleet.add(Draft(name=name, protocol=Protocol.V2RAY, country="DE", endpoint=given))
    both = Terms(name="Both", days=30, protocols=(Protocol.OUTLINE, Protocol.V2RAY))
    market.tariff = await shop.catalog.add(both, {"USD": 499})
    servers = {server.name: server for server in await shop.fleet.all()}
    return Operator(market=market, pairs=cycle(tuple(servers[name] for name in pair) for pair in PAIRS))


@pytest.mark.parametrize(("database_url", "database", "point"), CASES, indirect=["database_url"])
async def test_who_moves_has_a_key_whatever_dies(operator: Operator, database: str, point: Point) -> None:
    market, began = operator.market, time.monotonic()
    for part in (API, WORKER):
        market.start(part)
    await market.grow(CUSTOMERS)
    await market.stop()
    for number in range(ROUNDS[database]):
        doomed = market.start(WORKER, f"{point}:kill:{number % 3 + 1}")
        assert await operator.until_it_dies(doomed) == -signal.SIGKILL
    market.start(WORKER)
    await operator.come_to_an_end()
    await everything_is_right(market)
    assert not {server.name for server in operator.leaving} & {name for name, _ in market.there()}
    await everybody_has_the_key_that_works(market)
    figures = f"{market.deaths} deaths, {len(PAIRS[0]) * operator.moves} servers emptied, {operator.looks} looks"
    sys.stdout.write(f"{database} {point}: {figures}, {time.monotonic() - began:.0f} s\n")


async def everybody_has_the_key_that_works(market: Market) -> None:
    """Each was told the keys that are shown, and Outline's are the ones that its servers have."""
    shown = set()
    for buyer in market.buyers:
        order = await market.shop.checkout.get(buyer.first)
        (holding,) = await market.shop.subscriptions.of_user(order.user_id)
        urls = {key.url for key in holding.keys}
        assert all(url in market.said(buyer) for url in urls)
        shown |= urls
    assert set(market.world.keys()) == {url.partition("#")[0] for url in shown if url.startswith("ss:")}
