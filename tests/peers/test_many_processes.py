"""A shop of six processes on one Postgres behind the real nginx: two bots, two APIs, two workers."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import httpx
import pytest
from tests.contracts.storage.conftest import Bell
from tests.journeys.world import Customer, World, eventually, open_world
from tests.peers.cores import free_port
from tests.peers.front import serving
from tests.postgres import Server

from veilbot_adapters.database import connect
from veilbot_adapters.system import SystemClock, SystemIds

KEY = r"ss://[^\s<]+"
SECRET = "a-secret-of-the-webhook"
HOOKED = {
    "VEILBOT_TELEGRAM__MODE": "webhook",
    "VEILBOT_TELEGRAM__WEBHOOK_SECRET": SECRET,
    "VEILBOT_TRUSTED_PROXIES": "127.0.0.1/32",
}
APIS = ("webhooks,users,vpn", "webhooks,links,billing,admin")
"""What two processes serve: only the webhooks have twins."""


@dataclass(frozen=True, kw_only=True)
class Town:
    """A world with many processes; those that have a twin, by what they do."""

    world: World
    url: str
    twins: dict[str, list[subprocess.Popen[bytes]]]

    async def buys(self, chat: int) -> str:
        customer = Customer(world=self.world, chat=chat)
        await customer.pay(await self.checkout(customer))
        return (await customer.hears(KEY)).split("#")[0]

    async def checkout(self, customer: Customer) -> str:
        """A screen is lost with the process that should have sent it (docs/growing.md): who misses one begins again."""
        for _ in range(4):
            with suppress(TimeoutError):
                async with asyncio.timeout(25):
                    return await customer.checkout()
        raise AssertionError("the bot shows nothing to pay for")

    async def updates(self, query: str, *values: object) -> list[Any]:
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()


@asynccontextmanager
async def open_town(folder: Path, url: str) -> AsyncIterator[Town]:
    """Start everything, and wait until each process answers."""
    async with open_world(folder, url) as world:
        await world.stock()
        ports = [free_port() for _ in range(4)]
        behind: dict[str, list[int]] = {"bots": ports[:2]}
        twins = {"workers": [world.start("worker", **HOOKED) for _ in "ab"]}
        twins["bots"] = [world.start("bot", **HOOKED, **at(port)) for port in ports[:2]]
        twins["apis"] = []
        for modules, port in zip(APIS, ports[2:], strict=True):
            twins["apis"].append(world.start("api", "--modules", modules, **HOOKED, **at(port)))
            for name in modules.split(","):
                behind.setdefault(name, []).append(port)
        for port in ports:
            await eventually("a process to answer", lambda port=port: answers(world.http, port), 200.0)  # type: ignore[misc]
        async with serving(folder, behind, plain=world.shop_port):
            await eventually("Telegram to know the webhook", lambda: hooked(world))
            yield Town(world=world, url=url, twins=twins)


def at(port: int) -> dict[str, str]:
    return {"VEILBOT_LISTEN": f"127.0.0.1:{port}"}


async def answers(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def hooked(world: World) -> bool:
    return bool(world.sandbox.telegram.webhook)


@pytest.fixture(scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory, postgres: Server) -> AsyncIterator[Town]:
    postgres.create("town", "template1")
    async with open_town(tmp_path_factory.mktemp("town"), postgres.url("town")) as opened:
        yield opened
    postgres.drop("town")


def message(number: int, chat: int) -> bytes:
    person = {"id": chat, "is_bot": False, "first_name": "Ann", "language_code": "en"}
    about = {"message_id": number, "date": 1, "chat": {"id": chat, "type": "private"}, "from": person}
    return json.dumps({"update_id": number, "message": about | {"text": "/help"}}).encode()


async def test_each_path_reaches_the_process_that_serves_it(town: Town) -> None:
    """The two processes serve different modules, so that a wrong way would be a 404."""
    http, base = town.world.http, f"http://127.0.0.1:{town.world.shop_port}"
    added = await town.world.command("apikey", "add", "--name", "all", "--scope", "*", "--json")
    key = {"Authorization": f"Bearer {json.loads(added.stdout)['secret']}"}
    for path in ("users", "billing/orders", "vpn/keys", "admin/api-keys"):
        assert (await http.get(f"{base}/api/v1/{path}", headers=key)).status_code == 200, path
        assert (await http.get(f"{base}/api/v1/{path}")).status_code == 401, path
    assert (await http.get(f"{base}/paid")).status_code == 200
    assert (await http.get(f"{base}/s/nobody")).status_code == 404
    assert (await http.post(f"{base}/webhooks/stripe", content=b"{}")).status_code == 400
    assert (await http.post(f"{base}/webhooks/telegram", content=b"{}")).status_code == 401
    assert (await http.get(f"{base}/schema/openapi.json")).status_code == 404


async def test_updates_of_a_customer_are_answered_in_order_and_once_by_two_bots(town: Town) -> None:
    """The lanes are held until everything has arrived, twice and backwards; then each goes by its numbers."""
    url, secret = (
        f"http://127.0.0.1:{town.world.shop_port}/webhooks/telegram",
        {"X-Telegram-Bot-Api-Secret-Token": SECRET},
    )
    clock = SystemClock()
    ids, storage = SystemIds(clock), connect(town.url, Bell(), clock)
    chats, rounds, holder, now = range(501, 507), range(1, 6), ids.new(), clock.now()
    until = now + timedelta(seconds=60)
    for chat in chats:
        await storage.write(lambda uow, chat=chat: uow.turns.take(chat * 100, chat, holder, now, until))  # type: ignore[misc]

    async def post(chat: int, number: int) -> bool:
        body = message(chat * 100 + number, chat)
        answer = await town.world.http.post(url, content=body, headers=secret, timeout=120)
        assert answer.status_code == 200, answer.text
        return "method" in answer.json()

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(post(chat, number)) for number in reversed(rounds) for chat in chats for _ in range(2)
        ]

        async def arrived() -> bool:
            found = await town.updates("SELECT number FROM turns WHERE lane = ANY($1)", list(chats))
            return len(found) == len(chats) * (1 + len(rounds))

        await eventually("all updates to arrive", arrived)
        for chat in chats:
            await storage.write(lambda uow, chat=chat: uow.turns.end(chat * 100, holder, clock.now()))  # type: ignore[misc]
    await storage.close()
    assert sum(task.result() for task in tasks) == len(chats) * len(rounds)
    for chat in chats:
        rows = await town.updates("SELECT number FROM turns WHERE lane = $1 ORDER BY until", chat)
        assert [row["number"] % 100 for row in rows] == [0, *rounds]


async def test_dozens_buy_at_once_and_each_gets_one_key(town: Town) -> None:
    before = set(town.world.keys())
    keys = await asyncio.gather(*(town.buys(chat) for chat in range(1000, 1030)))
    assert len(set(keys)) == 30
    assert set(town.world.keys()) - before == set(keys)


async def test_an_event_sent_ten_times_makes_one_key(town: Town) -> None:
    before = len(town.world.keys())
    customer = Customer(world=town.world, chat=2000)
    event = town.world.sandbox.stripe.books.pay(await customer.checkout())
    assert set(await asyncio.gather(*(town.world.sandbox.stripe.webhooks.send(event) for _ in range(10)))) == {200}
    await customer.hears(KEY)
    assert len(town.world.keys()) == before + 1


async def test_the_twins_of_the_killed_go_on(town: Town) -> None:
    """The last test here: one bot, one API and one worker die while ten customers buy."""
    before = set(town.world.keys())
    async with asyncio.TaskGroup() as group:
        buying = [group.create_task(town.buys(chat)) for chat in range(3000, 3010)]
        await eventually("orders", lambda: town.updates("SELECT id FROM orders WHERE status = 'pending'"))
        for twins in town.twins.values():
            twins[1].send_signal(signal.SIGKILL)
    keys = {task.result() for task in buying}
    assert len(keys) == 10
    assert set(town.world.keys()) - before == keys
