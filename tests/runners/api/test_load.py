"""More than the shop can do: it says so at once, with 503, and nothing is lost or half done."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.runners.api.world import GENEROUS, World, open_world
from tests.waiting import until

from veilbot_adapters.database import connect
from veilbot_adapters.database.database import WAITING
from veilbot_adapters.memory import MemoryDoorbell, Webhook
from veilbot_adapters.system import SystemClock
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.ids import OrderId
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.api import Rate
from veilbot_runners.api.limits import BODY_LIMIT
from veilbot_runners.api.load import Turnstile

HASTY = replace(GENEROUS, at_once=64, webhook=1.0)


@contextmanager
def busy(database_url: str) -> Iterator[None]:
    """Keep the right to write, as a backup or another process might."""
    connection = sqlite3.connect(database_url.partition("///")[2], isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


def answered(answers: list[httpx.Response]) -> Counter[str]:
    """Count answers by what they say."""
    return Counter(str(one.json().get("receipt") or one.status_code) for one in answers)


async def payments(world: World) -> int:
    """Count the payments in the books."""

    def look(uow: UnitOfWork) -> int:
        return sum(len(uow.payments.of_order(order.id)) for order in uow.orders.page(limit=1000))

    return await world.application.storage.read(look)


async def test_webhooks_that_meet_a_slow_database_hear_so_in_time_and_are_taken_when_they_come_again(
    sqlite_url: str,
) -> None:
    storage = connect(sqlite_url, MemoryDoorbell(SystemClock()), SystemClock())
    async with open_world(storage=storage, rate=HASTY) as world:
        tariff = await world.tariff()
        await world.server(capacity=50)
        orders = [OrderId(UUID((await world.order(await world.user(), tariff))["id"])) for _ in range(50)]
        bodies = [world.gateway.pay(order) for order in orders] * 10

        async def send(some: Sequence[Webhook]) -> list[httpx.Response]:
            calls = [world.http.post("/webhooks/stripe", content=body, headers=head) for body, head in some]
            return list(await asyncio.gather(*calls))

        with busy(sqlite_url):
            refused = await send(bodies)
            assert answered(refused) == {"503": 500}
            reasons = Counter(one.json()["detail"] for one in refused)
            assert reasons["this takes too long now"] >= 64
            assert reasons.total() == reasons["this takes too long now"] + reasons["too many requests at once"]
            assert all(one.headers["retry-after"] == "1" for one in refused)
            assert (await world.http.get("/healthz")).status_code == 200
            assert await payments(world) == 0
        await storage.write(lambda uow: uow.orders.page(limit=1))  # behind whatever still stood in the line
        assert await payments(world) == 0, "who was told to come again has changed nothing"
        heard: Counter[str] = Counter()
        while bodies:  # the provider comes again until it is told that we have it
            some, bodies = bodies[:16], bodies[16:]
            answers = await send(some)
            heard += answered([one for one in answers if one.status_code == 200])
            bodies += [body for body, one in zip(some, answers, strict=True) if one.status_code != 200]
        assert heard.total() == 500
        assert heard["accepted"] <= 50, "one that was slow may have been told to come again after it was written"
        assert await payments(world) == 50
    await storage.close()


async def test_a_full_house_answers_with_a_problem_and_says_that_it_lives(sqlite_url: str) -> None:
    storage = connect(sqlite_url, MemoryDoorbell(SystemClock()), SystemClock())
    async with open_world(storage=storage, rate=Rate(at_once=1)) as world, asyncio.TaskGroup() as group:
        with busy(sqlite_url):

            async def ask() -> httpx.Response:
                while True:
                    answer = await world.http.post("/api/v1/users", json={"name": "Ann"}, headers=world.admin)
                    if answer.status_code != 503:
                        return answer
                    await asyncio.sleep(0.01)

            first = group.create_task(ask())
            while (answer := await world.call("GET", "/api/v1/users")).status_code != 503:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json() == {
                "title": "Service Unavailable",
                "status": 503,
                "code": "unavailable",
                "detail": "too many requests at once",
                "request_id": answer.headers["x-request-id"],
            }
            body = await world.post("/api/v1/users", 503, json={"name": "Bob"})
            assert body["detail"] == "too many requests at once"
            assert (await world.get("/healthz")) == {"status": "ok"}
            assert (await world.get("/readyz")) == {"status": "ready"}
        assert (await first).status_code == 201
        assert len((await world.get("/api/v1/users"))["items"]) == 1
    await storage.close()


class Hanging:
    """A bot that takes updates and does not end."""

    taken = 0

    async def feed(self, body: bytes, secret: str | None) -> None:  # noqa: ARG002 - as a bot has it
        self.taken += 1
        await asyncio.Event().wait()


@pytest.mark.parametrize("path", ["/webhooks/telegram", "/webhooks//telegram/"])
async def test_however_many_updates_of_telegrams_hang_a_payment_finds_a_place(path: str) -> None:
    bot = Hanging()
    async with open_world(telegram=bot, rate=HASTY) as world, asyncio.TaskGroup() as group:
        user, tariff = await world.user(), await world.tariff()
        await world.server()
        order = OrderId(UUID((await world.order(user, tariff))["id"]))
        calls = [group.create_task(world.http.post(path, content=b"{}")) for _ in range(HASTY.at_once)]
        await until(lambda: bot.taken + sum(call.done() for call in calls) == HASTY.at_once)
        assert bot.taken == HASTY.at_once // 2
        assert {call.result().status_code for call in calls if call.done()} == {503}, "Telegram comes again"
        body, headers = world.gateway.pay(order)
        assert await world.post("/webhooks/stripe", content=body, headers=headers) == {"receipt": "accepted"}
        assert await payments(world) == 1
        for call in calls:
            call.cancel()


async def test_the_line_before_the_database_has_an_end_and_who_left_it_is_not_served(sqlite_url: str) -> None:
    storage = connect(sqlite_url, MemoryDoorbell(SystemClock()), SystemClock())
    ran: list[int] = []

    def work(number: int) -> Any:
        return lambda _: ran.append(number)

    async with asyncio.TaskGroup() as group:
        with busy(sqlite_url):
            first = group.create_task(storage.write(work(0)))
            await asyncio.sleep(0)
            await until(storage._writes.empty)  # type: ignore[attr-defined]
            line = [group.create_task(storage.write(work(number))) for number in range(1, WAITING + 1)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable, match="too much"):
                await storage.write(work(-1))
            assert await storage.read(lambda uow: len(uow.users.page(limit=1))) == 0
            for task in line[1:]:
                task.cancel()
            await asyncio.sleep(0)
        await first
        await line[0]
    assert ran == [0, 1]
    await storage.close()


class TestTurnstile:
    def test_it_lets_in_as_many_as_are_worked_on(self) -> None:
        turnstile = Turnstile(2)
        visits = [turnstile.enter([]) for _ in range(2)]
        with pytest.raises(Unavailable):
            turnstile.enter([])
        turnstile.leave(visits[0])
        turnstile.enter([])

    def test_a_slow_body_takes_no_place_of_those_that_are_worked_on(self) -> None:
        turnstile = Turnstile(1)
        slow = [turnstile.enter([(b"content-length", b"10")]) for _ in range(900)]
        turnstile.leave(turnstile.enter([]))
        turnstile.begin(slow[0])
        turnstile.begin(slow[0])
        with pytest.raises(Unavailable):
            turnstile.begin(slow[1])
        for visit in slow:
            turnstile.leave(visit)
        turnstile.leave(turnstile.enter([]))

    def test_a_body_that_nobody_reads_is_no_way_around(self) -> None:
        turnstile = Turnstile(1)
        turnstile.enter([(b"content-length", b"1")], "/s/token", "GET")
        with pytest.raises(Unavailable):
            turnstile.enter([(b"content-length", b"1")], "/s/token", "GET")

    def test_telegram_has_half_of_everything(self) -> None:
        turnstile, telegram = Turnstile(4), "/webhooks/telegram"
        chunked = [(b"transfer-encoding", b"chunked")]
        large = [turnstile.enter(chunked, telegram) for _ in range(32)]
        with pytest.raises(Unavailable):
            turnstile.enter(chunked, telegram)
        for visit in large:
            turnstile.leave(visit)
        visits = [turnstile.enter([], telegram) for _ in range(2)]
        with pytest.raises(Unavailable):
            turnstile.enter([], telegram)
        turnstile.leave(turnstile.enter([]))
        turnstile.leave(visits[0])
        turnstile.enter([], telegram)
        for _ in range(500 - 2):
            turnstile.enter([(b"content-length", b"10")], telegram)
        with pytest.raises(Unavailable):
            turnstile.enter([(b"content-length", b"10")], telegram)
        turnstile.enter([(b"content-length", b"10")])

    def test_there_is_an_end_to_slow_bodies_too(self) -> None:
        turnstile = Turnstile(1)
        for _ in range(1000):
            turnstile.enter([(b"content-length", b"10")])
        with pytest.raises(Unavailable):
            turnstile.enter([(b"content-length", b"10")])

    @pytest.mark.parametrize(
        "header",
        [
            (b"content-length", b"%d" % BODY_LIMIT),
            (b"content-length", b"9" * 40),
            (b"content-length", b"-7"),
            (b"transfer-encoding", b"chunked"),
        ],
    )
    def test_bodies_take_64_mebibytes_together(self, header: tuple[bytes, bytes]) -> None:
        turnstile = Turnstile(256)
        visits = [turnstile.enter([(b"host", b"x"), header]) for _ in range(64)]
        with pytest.raises(Unavailable):
            turnstile.enter([header])
        turnstile.leave(turnstile.enter([]))
        turnstile.leave(visits[0])
        turnstile.enter([header])
