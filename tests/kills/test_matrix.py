"""The kill matrix: at each point a process dies, again and again, while customers buy, renew and are paid back.

``VEILBOT_TEST_KILLS`` says how often on SQLite; on Postgres it is half of that.
"""

import signal
import sys
import time

import pytest
from tests.kills.market import API, ROUNDS, WORKER, Market
from tests.kills.verdict import everything_is_right

from veilbot_core.ports.failpoints import Point

WEBHOOK = (Point.REQUEST_READ, Point.VERIFIED, Point.WRITTEN, Point.COMMITTED)
"""Passed by the API; the others by the worker."""
INSIDE = Point.WRITTEN
"""A hang here is a process that stands still with the database's transaction open: somebody must kill it."""
CASES = [(database, database, point) for database in ROUNDS for point in Point]


@pytest.mark.parametrize(("database_url", "database", "point"), CASES, indirect=["database_url"])
async def test_what_dies_here_is_done_all_the_same(market: Market, database: str, point: Point) -> None:
    began = time.monotonic()
    armed, other = (API, WORKER) if point in WEBHOOK else (WORKER, API)
    for part in (API, WORKER):
        market.start(part)
    await market.grow(ROUNDS[database])
    await market.stop()
    market.start(other)
    for number in range(ROUNDS[database]):
        nth = number % 3 + 1
        doomed = market.start(armed, f"{point}:kill:{nth}")
        if armed is API:
            await market.listening(doomed)
        assert await market.until_it_dies(doomed, at_least=nth) == -signal.SIGKILL
    dying = time.monotonic() - began
    last = market.start(armed)
    if armed is API:  # else it may be asked to end before it knows how to
        await market.listening(last)
    await everything_is_right(market)
    resting = time.monotonic() - began - dying
    times = f"{dying:.0f} s of dying, {resting:.0f} s to rest"
    sys.stdout.write(f"{database} {point}: {market.deaths} deaths, {market.figures()}, {times}\n")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("action", ["error", "hang"])
async def test_one_process_comes_through_all_of_them(market: Market, action: str) -> None:
    points = [point for point in Point if action == "error" or point is not INSIDE]
    everywhere = ",".join(f"{point}:{action}:{nth}" for point in points for nth in (1, 4))
    for part in (API, WORKER):
        market.start(part, everywhere)
    await market.grow(6)
    for _ in range(6):
        await market.act()
    await everything_is_right(market)
