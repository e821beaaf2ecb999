"""Redis dies, freezes and comes back while customers write and buy; nothing is lost and everybody is answered."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.journeys.world import Customer, World, eventually
from tests.redis_server import PrivateServer, private_redis

KEY = r"ss://[^\s<]+"
CUSTOMERS = 12


@pytest.fixture
def redis() -> Iterator[PrivateServer]:
    with private_redis() as server:
        yield server


class Operator:
    """A program with an API key."""

    def __init__(self, world: World, secret: str) -> None:
        self._world = world
        self._secret = secret

    async def ask(self, method: str, path: str, body: object = None, *, secret: str | None = None) -> Any:
        url = f"http://127.0.0.1:{self._world.shop_port}/api/v1{path}"
        headers = {"Authorization": f"Bearer {secret or self._secret}"}
        return await self._world.http.request(method, url, headers=headers, json=body)

    async def answered(self, status: int, secret: str) -> None:
        """Wait until a wrong key is answered with a status."""

        async def look() -> bool:
            answer = await self.ask("GET", "/users", secret=secret)
            return bool(answer.status_code == status)

        await eventually(f"a wrong key to be answered {status}", look)


@asynccontextmanager
async def open_shop(world: World, redis: PrivateServer) -> AsyncIterator[Operator]:
    """Run bot, API and worker as processes of their own on one database and one Redis."""
    for part in ("api", "bot", "worker"):
        world.start(part, VEILBOT_REDIS_URL=redis.url)
    await world.ready()
    made = await world.command("apikey", "add", "--name", "tool", "--scope", "*", "--json")
    yield Operator(world, json.loads(made.stdout)["secret"])
    assert [await world.stop(process) for process in world.processes] == [0, 0, 0]


async def chatter(world: World, chat: int, stop: asyncio.Event) -> int:
    """Write again and again, five times at least, and wait for each answer; say how many there were."""
    customer, answers = Customer(world=world, chat=chat), 0

    async def answered() -> bool:
        return len(await customer.texts()) > answers

    while answers < 5 or not stop.is_set():
        await customer.say("/start")
        await eventually("an answer to /start", answered)
        answers += 1
        await asyncio.sleep(0.5)
    return answers


async def buy(world: World, chat: int, wait: float) -> str:
    """Buy a key after a while; return it."""
    await asyncio.sleep(wait)
    customer = Customer(world=world, chat=chat)
    await customer.pay(await customer.checkout())
    return await customer.hears(KEY)


async def trouble(world: World, redis: PrivateServer, operator: Operator) -> None:
    """Let Redis die and come back empty, then freeze and come back with all that it knew."""
    body = {"name": "Old", "days": 30, "prices": {"USD": 999}}
    old = (await operator.ask("POST", "/billing/tariffs", body)).json()
    await operator.answered(401, "vb_wrong")
    redis.kill()
    await operator.answered(503, "vb_wrong")
    assert (await operator.ask("GET", "/users")).status_code == 200
    await asyncio.sleep(1)
    redis.start()
    await operator.answered(401, "vb_wrong")
    browser = Customer(world=world, chat=1)
    await browser.say("/buy")
    await browser.hears("Old")
    with redis.hung():
        await operator.answered(503, "vb_wrong")
        assert (await operator.ask("POST", f"/billing/tariffs/{old['id']}/archive")).status_code == 200
    await operator.answered(401, "vb_wrong")
    await eventually("every process to be back", lambda: back(world))
    await asyncio.sleep(1)  # and to hear what was dropped
    shown = len(await browser.texts())
    await browser.say("/buy")
    await eventually("the prices once more", lambda: said(browser, shown))
    assert "Month" in (await browser.texts())[-1]
    assert "Old" not in (await browser.texts())[-1], "what was taken off sale meanwhile is not shown again"


async def back(world: World) -> bool:
    log = world.log.read_text(encoding="utf-8")
    return log.count("Redis is down") == log.count("Redis is back")


async def said(customer: Customer, before: int) -> bool:
    return len(await customer.texts()) > before


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_while_redis_comes_and_goes_all_are_answered_and_each_who_pays_gets_one_key(
    world: World, redis: PrivateServer
) -> None:
    stop = asyncio.Event()
    async with open_shop(world, redis) as operator, asyncio.TaskGroup() as group:
        talking = [group.create_task(chatter(world, 100 + number, stop)) for number in range(3)]
        buying = [group.create_task(buy(world, 200 + number, 0.7 * number)) for number in range(CUSTOMERS)]
        await trouble(world, redis, operator)
        keys = [await purchase for purchase in buying]
        stop.set()
    assert all(answers.result() for answers in talking)
    assert len(set(keys)) == CUSTOMERS
    assert {key.split("#")[0] for key in keys} == set(world.keys()), "each who paid has one key, and nobody else"
