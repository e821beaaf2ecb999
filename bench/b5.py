"""B5: an update that the cache answers, beside the same product whose reads come out of a plain dict.

The update is a tap that shows the prices: the customer and the tariffs are warm, and Redis is there. The same tap is
counted once more: a warm one asks neither the database nor Redis.
"""

import json
import signal
import time
from functools import partial
from itertools import count
from pathlib import Path

from tests.redis_server import private_redis

from bench import b3, b6, stock
from bench.figures import Block, Scenario, spread
from bench.rounds import interleave
from bench.world import VEILBOT, WEBHOOK_SECRET, World

_GROUP, _TAPS = 200, 9  # customers of one block, and how often each taps: more would be too fast for the bot
_GROUPS = 8
_groups = count()
_prices = partial(b3.tap, data="n")
_SUBJECTS = {"cache tap": VEILBOT, "dict tap": ("-m", "bench.plain_dict")}


async def run(world: World, *, rounds: int, quick: bool) -> Scenario:
    """Measure ``rounds`` rounds, then count."""
    scenario = Scenario(name="b5")
    async with stock.stocked(world) as shop:
        await stock.customers(world, shop, _GROUP * _GROUPS, b3.CHAT)
    with private_redis() as redis:
        subjects = {name: await _start(world, command, redis.url) for name, command in _SUBJECTS.items()}

        async def block(name: str) -> Block:
            return await _block(world, subjects[name], name)

        for name in subjects:
            await block(name)
        await interleave(scenario, list(subjects), block, rounds, quick=quick)
        for subject in subjects.values():
            world.end(subject.process)
        scenario.notes["asked"] = await _count(world, redis.url)
    return scenario


async def _start(world: World, command: tuple[str, ...], redis: str, **settings: str) -> b6.Subject:
    """Start the API with the bot behind its webhook, and no worker: what it asks, updates ask."""
    port = b6.free_port()
    mode = {"VEILBOT_TELEGRAM__MODE": "webhook", "VEILBOT_TELEGRAM__WEBHOOK_SECRET": WEBHOOK_SECRET}
    environment = world.settings(port, VEILBOT_REDIS_URL=redis, **mode, **settings)
    process = world.start(*command, "api", env=environment)
    await world.answering(process, port)
    return b6.Subject(process=process, port=port)


async def _block(world: World, subject: b6.Subject, name: str) -> Block:
    """Let a group warm up and then tap, within the seconds for which a process keeps an answer."""
    group = next(_groups) % _GROUPS * _GROUP
    chats = [b3.CHAT + group + number for number in range(_GROUP)]
    await b3.block(world, subject, name, chats, _prices)
    return await b3.block(world, subject, name, chats * _TAPS, _prices)


async def _count(world: World, redis: str) -> dict[str, int]:
    """Return what warm taps asked."""
    counts = world.folder / "counts.json"
    subject = await _start(world, ("-m", "bench.counted"), redis, BENCH_COUNTS=str(counts))
    chats = b3.chats(_GROUP, _GROUP)
    await b3.block(world, subject, "cache tap", chats, _prices)
    before = _asked(subject, counts)
    await b3.block(world, subject, "cache tap", chats, _prices)
    after = _asked(subject, counts)
    world.end(subject.process)
    return {"updates": _GROUP} | {name: after[name] - before[name] for name in after}


def _asked(subject: b6.Subject, counts: Path) -> dict[str, int]:
    counts.unlink(missing_ok=True)
    subject.process.send_signal(signal.SIGUSR1)
    while not counts.exists():
        time.sleep(0.005)
    found: dict[str, int] = json.loads(counts.read_text())
    asked = {name: times for name, times in found.items() if name.startswith("sql ")}
    return {"sql": sum(asked.values()), "redis": found.get("redis round trips", 0)}


def report(scenario: Scenario) -> None:
    """Print where it stands."""
    ratio = spread(scenario.ratios("cache tap", "dict tap", "cpu_us"))
    asked = scenario.notes["asked"]
    print(f"B5 cache hit   CPU {scenario.median('cache tap', 'cpu_us'):.0f} us, beside a dict {ratio}   (goal 1.10)")
    print(f"B5 {asked['updates']} warm updates asked SQL {asked['sql']} times, Redis {asked['redis']} times   (goal 0)")
