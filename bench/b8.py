"""B8: a purchase while VPN servers take 50 ms, and while one of them hangs and two hundred keys wait for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tests.contracts.storage.things import a_key, a_subscription

from bench import b6, client, machine, stock
from bench.figures import Block, Scenario, percentile, spread
from bench.world import World
from veilbot_core.application import Application
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.sandbox.outline_server import Outage

CUSTOMERS = 48
"""At a time: enough to keep servers of 50 ms busy."""
WAITING = 200
SLOW = 0.05
SUBJECTS = ("product 0 ms", "product 50 ms", "product calm", "product one hangs")
_BEAT = 0.01


@dataclass
class Pulse:
    """Asks the product for a sign of life all the time; how long that takes is how long its event loop was away."""

    lags: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def felt(self, port: int) -> AsyncIterator[None]:
        """Feel it for as long as the block lasts."""
        (line,) = await client.connect(port, 1)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat(line, over))
            try:
                yield
            finally:
                over.set()
        line.close()

    async def _beat(self, line: client.Line, over: asyncio.Event) -> None:
        while not over.is_set():
            began = time.perf_counter()
            await line.send(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            self.lags.append(time.perf_counter() - began)
            await asyncio.sleep(_BEAT)


async def run(world: World, *, rounds: int, size: int, quick: bool) -> Scenario:
    """Measure ``rounds`` rounds of ``size`` purchases each; the third server is the one that will hang."""
    scenario = Scenario(name="b8")
    async with stock.stocked(world) as shop:
        hangs = (await shop.fleet.all())[-1]
        await shop.fleet.turn(hangs.id, ServerStatus.DRAINING)  # the purchases go to the others
        product = await b6.start_product(world, VEILBOT_LIMIT__SERVER_CALLS="8")
        for name in SUBJECTS if not quick else ():
            await _block(world, shop, product, name, hangs, 100)
        pulses: dict[str, list[float]] = {name: [] for name in SUBJECTS}
        while len(scenario.rounds) < rounds and scenario.dropped < 2 * rounds:
            order = SUBJECTS if (len(scenario.rounds) + scenario.dropped) % 2 == 0 else SUBJECTS[::-1]
            before = machine.yardstick()
            made = {name: await _block(world, shop, product, name, hangs, size) for name in order}
            moved = abs(machine.yardstick() / before - 1)
            if moved > 0.15 and not quick:
                scenario.dropped += 1
                print(f"  round dropped: the yardstick moved by {moved:.0%}")
                continue
            scenario.rounds.append({name: block for name, (block, _) in made.items()})
            for name, (block, lags) in made.items():
                pulses[name].append(percentile(lags, 0.99) * 1e3)
                print(f"  {block.line()}  pulse p99 {pulses[name][-1]:5.1f} ms")
        scenario.notes["pulse_p99_ms"] = pulses
        world.end(product.process)
    if not scenario.rounds:
        raise b6.Void("the machine is too busy: the yardstick moved in every round")
    return scenario


async def _block(
    world: World, shop: Application, product: b6.Subject, name: str, hangs: Server, size: int
) -> tuple[Block, Sequence[float]]:
    """Measure one subject; return its figures and its pulse."""
    servers, pulse = world.sandbox.outline.servers, Pulse()
    many = name in SUBJECTS[:2]
    for server in servers.values():
        server.delay = SLOW if name == "product 50 ms" else 0.0
    hung = name == "product one hangs"
    there = len(servers[hangs.name].keys)
    if hung:
        await world.sandbox.outline.play(hangs.name, Outage.HANG)
        await _wait_for(shop, hangs)
        await asyncio.sleep(1)
    purchases = await b6.goods(world, shop, name, size)
    async with pulse.felt(product.port):
        block = await b6.measure(world, product, name, purchases, customers=CUSTOMERS if many else b6.CONCURRENT)
    for server in servers.values():
        server.delay = 0.0
    if hung:
        await world.sandbox.outline.play(hangs.name, Outage.NONE)
        await _back(world, hangs, there + WAITING)
    return block, pulse.lags


async def _wait_for(shop: Application, server: Server) -> None:
    """Let keys be wanted on a server that will not answer."""
    user = await shop.users.add("Waiting")
    (tariff,) = await shop.catalog.all()

    def write(uow: UnitOfWork) -> None:
        now = shop.work.clock.now()
        for _ in range(WAITING):
            month = {"ends_at": now + timedelta(days=30), "check_at": now + timedelta(days=27)}
            subscription = a_subscription(user, tariff, created_at=now, **month)
            uow.subscriptions.add(subscription)
            key = replace(a_key(subscription, server, created_at=now, changed_at=now), placed=True)
            uow.keys.add(key)
            uow.jobs.ask(Job.ask(JobKind.APPLY_KEY, key.id, now))

    await shop.storage.write(write)


async def _back(world: World, server: Server, count: int) -> None:
    """See the keys come after the outage."""
    began = time.monotonic()
    while len(world.sandbox.outline.servers[server.name].keys) < count:
        if time.monotonic() - began > 60:
            raise b6.Void(f"{server.name} is back, and its keys do not come")
        await asyncio.sleep(0.05)
    print(f"  {server.name} is back, and had its {WAITING} keys after {time.monotonic() - began:.1f} s")
    await asyncio.sleep(2)  # until they are in the books, too


def report(scenario: Scenario) -> None:
    """Print where it stands."""
    rates = scenario.ratios("product 50 ms", "product 0 ms", "rate")
    tails = scenario.ratios("product one hangs", "product calm", "p99_ms")
    print(f"B8 rate, servers of 50 ms beside 0 ms      {spread(rates)}   (goal 0.9)")
    print(f"B8 p99 of the others while one hangs       {spread(tails)}   (goal 1.2)")
    for name, found in scenario.notes["pulse_p99_ms"].items():
        print(f"B8 pulse p99, {name:<28} {spread(found)} ms   (goal 10)")
