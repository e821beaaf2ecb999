"""B6: payment webhook -> key issued -> message sent, beside the bare skeleton, on SQLite FULL."""

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import client, costs, machine, stock
from bench.figures import Block, Scenario, percentile, spread
from bench.rounds import interleave
from bench.world import VEILBOT, World, quiet
from veilbot_core.application import Application

CONCURRENT = 16
_PATIENCE = 30.0
_PATHS = {"text": "/text", "photo": "/photo"}
_chats = count(1_000_000, 100_000)


class Void(Exception):
    """A run that lost or doubled something measured nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A process that sells keys, perhaps with workers beside it, and a database server behind it."""

    process: subprocess.Popen[bytes]
    port: int
    workers: tuple[subprocess.Popen[bytes], ...] = ()
    database: int | None = None
    """The server's process id."""

    def cpu(self) -> float:
        """Return the CPU seconds that it has used, those of the database server not counted."""
        return sum(machine.cpu(process.pid) for process in (self.process, *self.workers))

    def behind(self) -> float:
        """Return the CPU seconds that the database server has used."""
        return 0.0 if self.database is None else machine.cpu(self.database)


async def run(world: World, *, rounds: int, size: int, quick: bool) -> Scenario:
    """Measure ``rounds`` rounds of ``size`` purchases each."""
    scenario = Scenario(name="b6")
    async with stock.stocked(world) as shop:
        product = await start_product(world)
        skeleton = await start_skeleton(world)
        subjects = ["product", "photo", "text", "product x3"]

        async def block(name: str, size: int = size) -> Block:
            subject = skeleton if name in _PATHS else product
            return await measure(world, subject, name, await goods(world, shop, name, size))

        for name in subjects if not quick else ():  # warm both up: connections, statements, caches
            await block(name, 100)
        await interleave(scenario, subjects, block, rounds, quick=quick)
        for subject in (product, skeleton):
            world.end(subject.process)
    return scenario


async def start_product(world: World, **settings: str) -> Subject:
    """Start ``veilbot run``: bot, API and worker in one process on the server's core."""
    port = free_port()
    process = world.start(*VEILBOT, "run", env=world.settings(port, **settings))
    await world.answering(process, port)
    return Subject(process=process, port=port)


async def start_skeleton(world: World, database: str | None = None) -> Subject:
    """Start the bare skeleton on the same core, with a file or on a Postgres."""
    port = free_port()
    given = {
        "port": port,
        "db": database or str(world.folder / "skeleton.db"),
        "secret": world.made.webhook_secret,
        "telegram": f"{world.base}/sandbox/telegram/bot{world.made.telegram_token}",
        "outline": [(server.api_url, server.cert_sha256) for server in world.sandbox.outline.servers.values()],
    }
    process = world.start("-m", "bench.skeleton", json.dumps(given))
    await world.answering(process, port)
    return Subject(process=process, port=port)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


async def goods(world: World, shop: Application, name: str, size: int) -> list[stock.Purchase]:
    if name in _PATHS:
        return stock.bare_purchases(world, size, next(_chats))
    return await stock.orders(world, shop, size, next(_chats))


async def measure(
    world: World, subject: Subject, name: str, purchases: Sequence[stock.Purchase], *, customers: int = CONCURRENT
) -> Block:
    """Let customers pay, so many at a time, and check that nothing was lost or doubled."""
    copies = 3 if name == "product x3" else 1
    lines = await client.connect(subject.port, customers * copies)
    requests = [
        purchase.webhook(_PATHS.get(name, "/webhooks/stripe"), world.made.webhook_secret) for purchase in purchases
    ]
    waiting = iter(list(zip(purchases, requests, strict=True)))
    latencies: list[float] = []
    loop = asyncio.get_running_loop()

    async def pay(mine: Sequence[client.Line]) -> None:
        for purchase, request in waiting:
            told = world.ear.heard[purchase.chat] = loop.create_future()
            began = time.perf_counter()
            for status, body in await asyncio.gather(*(line.send(request) for line in mine)):
                if status != 200:
                    raise Void(f"a webhook was answered {status} {body[:200]!r}")
            try:
                latencies.append(await asyncio.wait_for(told, _PATIENCE) - began)
            except TimeoutError:
                raise Void(f"{name}: an order got no key in {_PATIENCE:.0f} s; {world.log_tail()}") from None

    known = len(world.keys())
    messages = world.ear.messages
    await quiet(subject.cpu)
    cpu, behind, mine, began = subject.cpu(), subject.behind(), time.process_time(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(customers):
            group.create_task(pay(lines[number * copies : (number + 1) * copies]))
    seconds = time.perf_counter() - began
    busy = (time.process_time() - mine) / seconds
    await _rest(subject, name)
    used, served = subject.cpu() - cpu, subject.behind() - behind
    for line in lines:
        line.close()
    _check(world, purchases, known=known, messages=messages)
    return Block(
        subject=name,
        done=len(purchases),
        seconds=seconds,
        p50_ms=percentile(latencies, 0.5) * 1e3,
        p99_ms=percentile(latencies, 0.99) * 1e3,
        cpu_us=used / len(purchases) * 1e6,
        load_busy=busy,
        database_us=served / len(purchases) * 1e6,
    )


async def _rest(subject: Subject, name: str) -> None:
    """Wait for the work that is due three seconds after a payment, too: it belongs to the purchase."""
    if name.startswith("product"):
        await asyncio.sleep(3.1)
    await quiet(subject.cpu)


def _check(world: World, purchases: Sequence[stock.Purchase], *, known: int, messages: int) -> None:
    """Refuse a run in which not every order has one key, on a server and told."""
    told = [world.ear.keys.get(purchase.chat, []) for purchase in purchases]
    urls = {url for one in told for url in one}
    there = world.keys()
    if any(len(set(one)) != 1 for one in told) or len(urls) != len(purchases):
        raise Void(f"{len(urls)} keys were told for {len(purchases)} orders")
    if len(there) - known != len(purchases) or not urls <= set(there):
        raise Void(f"{len(there) - known} keys were made for {len(purchases)} orders")
    if world.ear.messages - messages < len(purchases):
        raise Void("a message is missing")


def report(scenario: Scenario) -> None:
    """Print where it stands."""
    rate, p99 = scenario.median("product", "rate"), scenario.median("product", "p99_ms")
    ratio = [1 / value for value in scenario.ratios("product", "photo", "cpu_us")]
    plain = [1 / value for value in scenario.ratios("product", "text", "cpu_us")]
    print(f"B6 keys/s            {rate:.0f}   (goal 900)   p99 {p99:.1f} ms (goal 40)")
    print(f"B6 CPU per key       {scenario.median('product', 'cpu_us'):.0f} us")
    print(f"B6 beside skeleton   same work (QR, sendPhoto): {spread(ratio)}   text only: {spread(plain)}   (goal 0.4)")
    print(f"B6 rates beside it   same work: {spread(scenario.ratios('product', 'photo', 'rate'))}")
    x3 = scenario.median("product x3", "rate")
    print(f"B6 each event 3x     {x3:.0f} keys/s, one key each; nothing lost or doubled in any round")


async def profile(world: World, *, size: int, stacks: Path) -> Block:
    """Sample the product during one long block."""
    async with stock.stocked(world) as shop:
        product = await start_product(world)
        await measure(world, product, "product", await goods(world, shop, "product", 200))
        purchases = await goods(world, shop, "product", size)
        before = machine.cpu_by_thread(product.process.pid)
        block = await measure(world, product, "product", purchases)
        for name, (user, system) in machine.cpu_by_thread(product.process.pid).items():
            known = before.get(name, (0.0, 0.0))
            each = (user - known[0]) / size * 1e6, (system - known[1]) / size * 1e6
            print(f"  thread {name:<20} user {each[0]:6.0f} us  system {each[1]:6.0f} us")
        with costs.sampled(product.process.pid, stacks):
            await measure(world, product, "product", await goods(world, shop, "product", size))
        return block


async def count_work(world: World, *, size: int) -> dict[str, float]:
    """Return what one key costs in statements, transactions and commits: exact, on any machine."""
    counts = world.folder / "counts.json"
    async with stock.stocked(world) as shop:
        port = free_port()
        settings = world.settings(port) | {"BENCH_COUNTS": str(counts)}
        process = world.start("-m", "bench.counted", "run", env=settings)
        await world.answering(process, port)
        subject = Subject(process=process, port=port)
        await measure(world, subject, "product", await goods(world, shop, "product", size))
        world.end(process)
    found: dict[str, int] = json.loads(counts.read_text())
    return {name: times / size for name, times in sorted(found.items(), key=lambda one: -one[1])}
