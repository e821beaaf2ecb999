"""B3: an update by webhook -> the reply in its answer, with one uncached database read, beside bare ASGI and aiogram.

``message`` is a text that is answered by one call, inside the webhook's answer. ``tap`` is a button: Telegram wants it
confirmed by a call of its own (answerCallbackQuery), so one call goes out beside the reply; it stands for B4, too.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from bench import b6, client, stock
from bench.figures import Block, Scenario, percentile, spread
from bench.rounds import interleave
from bench.world import WEBHOOK_SECRET, World, quiet

CONCURRENT = 16
_CUSTOMERS = 2000
CHAT = 900_000
_HEADERS = {"x-telegram-bot-api-secret-token": WEBHOOK_SECRET}
_updates = count(1)
Make = Callable[[World, int], dict[str, Any]]
SUBJECTS = ("message", "bare message", "tap", "bare tap")


async def run(world: World, *, rounds: int, size: int, quick: bool) -> Scenario:
    """Measure ``rounds`` rounds of ``size`` updates each."""
    scenario = Scenario(name="b3")
    async with stock.stocked(world) as shop:
        await stock.customers(world, shop, 50 if quick else _CUSTOMERS, CHAT)
    people = 50 if quick else _CUSTOMERS
    settings = {"VEILBOT_TELEGRAM__MODE": "webhook", "VEILBOT_TELEGRAM__WEBHOOK_SECRET": WEBHOOK_SECRET}
    product = await b6.start_product(world, **settings)
    bare = await _start_bare(world)
    senders = chats(size, people)

    async def measure(name: str, senders: Sequence[int] = senders) -> Block:
        return await block(world, bare if name.startswith("bare") else product, name, senders)

    for name in SUBJECTS:
        await measure(name, chats(50 if quick else 500, people))
    await interleave(scenario, SUBJECTS, measure, rounds, quick=quick)
    for subject in (product, bare):
        world.end(subject.process)
    return scenario


def chats(size: int, people: int) -> list[int]:
    """Return as many chats, those of the customers in turn."""
    return [CHAT + number % people for number in range(size)]


async def _start_bare(world: World) -> b6.Subject:
    port = b6.free_port()
    process = world.start("-m", "bench.bare_bot", json.dumps({"port": port, "secret": WEBHOOK_SECRET}))
    await world.answering(process, port)
    return b6.Subject(process=process, port=port)


async def block(
    world: World, subject: b6.Subject, name: str, senders: Sequence[int], make: Make | None = None
) -> Block:
    """Send an update of each chat, 16 at a time, and read every reply."""
    path = "/" if name.startswith("bare") else "/webhooks/telegram"
    make = make or (tap if name.endswith("tap") else _message)
    requests = [client.request(path, json.dumps(make(world, chat)).encode(), _HEADERS) for chat in senders]
    waiting = iter(list(zip(senders, requests, strict=True)))
    lines = await client.connect(subject.port, CONCURRENT)
    latencies: list[float] = []

    async def ask(line: client.Line) -> None:
        for chat, request in waiting:
            began = time.perf_counter()
            status, body = await line.send(request)
            latencies.append(time.perf_counter() - began)
            _check(world, name, chat, status, body)

    await quiet(subject.cpu)
    cpu, mine, began = subject.cpu(), time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for line in lines:
            group.create_task(ask(line))
    seconds = time.perf_counter() - began
    busy = (time.process_time() - mine) / seconds
    used = subject.cpu() - cpu
    for line in lines:
        line.close()
    return Block(
        subject=name,
        done=len(senders),
        seconds=seconds,
        p50_ms=percentile(latencies, 0.5) * 1e3,
        p99_ms=percentile(latencies, 0.99) * 1e3,
        cpu_us=used / len(senders) * 1e6,
        load_busy=busy,
    )


def _check(world: World, name: str, chat: int, status: int, body: bytes) -> None:
    reply = json.loads(body) if status == 200 else {}
    method = "editMessageText" if name.endswith("tap") else "sendMessage"
    if reply.get("method") != method or int(reply["chat_id"]) != chat or not reply.get("text"):
        raise b6.Void(f"{name}: not the reply: {status} {body[:300]!r} {world.log_tail()}")


def _person(chat: int) -> dict[str, Any]:
    return {"id": chat, "is_bot": False, "first_name": "Ann", "language_code": "en"}


def _said(chat: int, **content: Any) -> dict[str, Any]:  # noqa: ANN401 - parts of a message
    return {"message_id": 7, "date": int(time.time()), "chat": {"id": chat, "type": "private"}, **content}


def _message(_: World, chat: int) -> dict[str, Any]:
    message = _said(chat, text="/start", **{"from": _person(chat)})
    return {"update_id": next(_updates), "message": message}


def tap(world: World, chat: int, *, data: str = "m") -> dict[str, Any]:
    """Make a tap on a button."""
    query = {
        "id": world.sandbox.telegram.queries.ask(),
        "from": _person(chat),
        "message": _said(chat, text="an older screen"),
        "chat_instance": str(chat),
        "data": data,
    }
    return {"update_id": next(_updates), "callback_query": query}


def report(scenario: Scenario) -> None:
    """Print where it stands."""
    for name in ("message", "tap"):
        ratio = [1 / value for value in scenario.ratios(name, f"bare {name}", "cpu_us")]
        rates = spread(scenario.ratios(name, f"bare {name}", "rate"))
        rate, p99 = scenario.median(name, "rate"), scenario.median(name, "p99_ms")
        cpu = scenario.median(name, "cpu_us")
        print(f"B3 {name:<8} {rate:.0f}/s  p99 {p99:.1f} ms (goal 15)  CPU {cpu:.0f} us")
        print(f"B3 {name:<8} beside bare: CPU {spread(ratio)}   rate {rates}   (goal 0.5)")
