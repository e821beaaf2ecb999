"""What an update costs the database and Redis, cold and warm: exact counts, on a real database and a real Redis."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import pytest
from redis.asyncio import Redis
from tests.runners.bot.telegram import TEXTS
from tests.services.shop import Outside, build
from tests.shared_redis import prefix
from tests.waiting import PATIENCE

from veilbot_adapters import memory, qr
from veilbot_adapters.database import connect
from veilbot_adapters.database.statements import Prepared, Values
from veilbot_adapters.redis import RedisCache, RedisConnection, RedisLimiter
from veilbot_adapters.system import SystemClock, SystemIds
from veilbot_core.application import Application
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.cache import Cache
from veilbot_core.services.fleet import Draft
from veilbot_runners.bot.data import pack
from veilbot_runners.bot.desk import Desk, Person
from veilbot_runners.bot.screens import Screen

T = TypeVar("T")
PEOPLE = 100
STEPS = 40
SECONDS = 3.0


class NoCache(memory.MemoryCache):
    """A cache that keeps nothing."""

    async def fetch(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:  # noqa: ARG002
        return await make()


class CountedRedis(RedisConnection):
    """A connection that counts its round trips."""

    trips = 0

    async def call(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        self.trips += 1
        return await super().call(work)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Count the statements that run, by their first table; a statement is given its parameters once per run."""
    found: Counter[str] = Counter()
    parameters = Prepared.parameters

    def counted(self: Prepared, values: Values) -> list[object]:
        table = re.search(r"\b(?:INTO|UPDATE|FROM)\s+(\w+)", self.sql)
        found[table[1] if table else self.sql] += 1
        return parameters(self, values)

    monkeypatch.setattr(Prepared, "parameters", counted)
    yield found
    found.clear()


@asynccontextmanager
async def opened(url: str, cache: Callable[[memory.MemoryClock], Cache]) -> AsyncIterator[tuple[Outside, Application]]:
    """Open a shop with two tariffs and servers in two countries on a real database."""
    fakes = Outside.make(Policy())
    storage = connect(url, fakes.doorbell, SystemClock())
    out = replace(fakes, storage=storage, cache=cache(fakes.clock))  # type: ignore[arg-type]
    shop = build(out)
    try:
        if not await storage.read(lambda uow: uow.tariffs.all()):
            await stock(shop)
        yield out, shop
    finally:
        await storage.close()


async def stock(shop: Application) -> None:
    for name, price in (("Month", 499), ("Year", 4999)):
        await shop.catalog.add(Terms(name=name, days=30), {"USD": price})
    for country in ("NL", "DE"):
        endpoint = {"api_url": "https://server.example/path"}
        await shop.fleet.add(Draft(name=country, protocol=Protocol.OUTLINE, country=country, endpoint=endpoint))


def desk(shop: Application) -> Desk:
    return Desk(shop, TEXTS, draw=qr.png, provider=Provider.STRIPE, support="")


def person(number: int) -> Person:
    return Person(id=1000 + number, first_name="Ann", full_name="Ann Lee", language_code="en")


async def chat(out: Outside, shop: Application, people: int, steps: int) -> None:
    """Let each look at prices, keys, the menu and countries in turn, a step every few seconds, not all the same."""
    served = desk(shop)
    tariff = (await shop.catalog.all())[0]
    datas = ("n", "k", "m", pack("b", tariff.id))
    for step in range(steps):
        for number in range(people):
            screen = await served.tapped(person(number), datas[(step + number) % 4])
            assert screen.text, "everybody is answered"
        await out.clock.advance(SECONDS)


class TestDatabase:
    async def test_customers_are_read_ten_times_less_often_and_goods_a_hundred_times(
        self, asked: Counter[str], sqlite_url: str
    ) -> None:
        async with opened(sqlite_url, NoCache) as (out, shop):
            for number in range(PEOPLE):
                await shop.users.arrive(1000 + number, "Ann Lee", "en")
            asked.clear()
            await chat(out, shop, PEOPLE // 10, STEPS)
            cold = Counter({table: 10 * times for table, times in asked.items()})
        async with opened(sqlite_url, memory.MemoryCache) as (out, shop):
            asked.clear()
            await chat(out, shop, PEOPLE, STEPS)
        updates = PEOPLE * STEPS
        assert cold["users"] == 2 * updates
        assert asked["users"] == PEOPLE + 2 * PEOPLE, "whose account it is, once; the customer, once a minute"
        assert asked["users"] * 10 <= updates
        for table in ("tariffs", "servers"):
            assert cold[table] >= updates / 2
            assert asked[table] == 10, "at the first step after each ten seconds, which is every fourth"
            assert asked[table] * 100 <= cold[table]


class TestRedis:
    async def test_a_warm_update_asks_neither_the_database_nor_redis(
        self, asked: Counter[str], sqlite_url: str, redis_url: str
    ) -> None:
        clock = SystemClock()
        connection = CountedRedis(redis_url, clock, SystemIds(clock), prefix=prefix(), patience=PATIENCE)
        cache = RedisCache(connection, clock)
        async with connection.open(), opened(sqlite_url, lambda _: cache) as (_, built):
            served = desk(replace(built, limiter=RedisLimiter(connection)))
            cold = await look(served)
            trips = connection.trips
            assert trips > 0
            asked.clear()
            for _ in range(9):
                assert await look(served) == cold
            assert (connection.trips, asked) == (trips, Counter())

    async def test_another_bot_finds_in_redis_what_the_first_one_read(
        self, asked: Counter[str], sqlite_url: str, redis_url: str
    ) -> None:
        clock, shared = SystemClock(), prefix()
        here, there = (
            RedisConnection(redis_url, clock, SystemIds(clock), prefix=shared, patience=PATIENCE) for _ in range(2)
        )
        cache, other = RedisCache(here, clock), RedisCache(there, clock)
        async with here.open(), there.open(), opened(sqlite_url, lambda _: cache) as (out, shop):
            first = await look(desk(shop))
            asked.clear()
            second = build(replace(out, cache=other))  # type: ignore[arg-type]
            assert await look(desk(second)) == first
            assert asked == Counter()


async def look(served: Desk) -> list[Screen]:
    return [await served.tapped(person(1), data) for data in ("n", "m")]
