"""B16 and B17: what an idle product holds, and how long it takes from nothing to the first thing served."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from bench import b6, machine, stock
from bench.world import VEILBOT, World
from veilbot_core.application import Application

_chats = count(5_000_000)
_IDLE = 3.0
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of a part."""

    part: str
    served: str
    seconds: float
    cpu: float
    """CPU seconds until then."""
    rss: float
    pss: float


async def run(world: World, *, rounds: int) -> dict[str, Any]:
    """Start each part ``rounds`` times on a database that is up to date."""
    async with stock.stocked(world) as shop:
        found = []
        for _ in range(rounds):
            found += [
                await _start(world, "run", "update", _greeting),
                await _start(world, "run", "request", None),
                await _start(world, "bot", "update", _greeting),
                await _start(world, "api", "request", None),
                await _start(world, "worker", "job", lambda world: _paid(world, shop)),
            ]
    return {"name": "b16", "starts": [asdict(start) for start in found]}


async def _start(
    world: World, part: str, served: str, ask: "Callable[[World], Awaitable[asyncio.Future[float]]] | None"
) -> Start:
    """Start a part, wait until it served something, and look at what it holds when it is idle."""
    heard = await ask(world) if ask is not None else None
    port = b6.free_port()
    began = time.perf_counter()
    process = world.start(*VEILBOT, part, env=world.settings(port))
    if heard is None:
        await world.answering(process, port)
        seconds = time.perf_counter() - began
    else:
        seconds = await asyncio.wait_for(heard, _PATIENCE) - began
    used = machine.cpu(process.pid)
    await asyncio.sleep(_IDLE)
    held = machine.memory(process.pid)
    world.end(process)
    return Start(part=part, served=served, seconds=seconds, cpu=used, rss=held.rss, pss=held.pss)


async def _greeting(world: World) -> "asyncio.Future[float]":
    """Let a customer write before anybody listens."""
    chat = next(_chats)
    world.ear.open(chat, "Ann")
    future = world.ear.said[chat] = asyncio.get_running_loop().create_future()
    world.sandbox.telegram.customers.say(chat, "/start")
    return future


async def _paid(world: World, shop: Application) -> "asyncio.Future[float]":
    """Let an order be paid before anybody works."""
    (purchase,) = await stock.orders(world, shop, 1, next(_chats), paid=True)
    future = world.ear.heard[purchase.chat] = asyncio.get_running_loop().create_future()
    return future


def report(found: dict[str, Any]) -> None:
    """Print medians."""
    starts = [Start(**start) for start in found["starts"]]
    goals = {"run": "(goals: 130 MB, 2.5 s)", "worker": "(goal: 80 MB)"}
    for part, served in dict.fromkeys((start.part, start.served) for start in starts):
        mine = [start for start in starts if (start.part, start.served) == (part, served)]
        seconds, cpu, rss, pss = (
            statistics.median(getattr(start, name) for start in mine) for name in ("seconds", "cpu", "rss", "pss")
        )
        goal = goals.get(part, "(goals: 95 MB, 1.5 s)")
        print(
            f"B16 veilbot {part:<7} RSS {rss:4.0f} MB  PSS {pss:4.0f} MB   "
            f"B17 first {served:<8} {seconds:5.2f} s, {cpu:.2f} s of CPU   {goal}"
        )
