"""B7: B6 on Postgres, an API and one or two workers in processes of their own, beside the skeleton on the same server.

Everything may use every core, the database server and Redis (by which the API wakes the workers), too: what a second
worker brings cannot be seen on one.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.postgres import private_server
from tests.redis_server import private_redis

from bench import b6, machine, stock
from bench.figures import Block, Scenario, spread
from bench.rounds import interleave
from bench.world import VEILBOT, World, quiet
from veilbot_core.application import Application

ONE, TWO, BARE = "product 1 worker", "product 2 workers", "photo"
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "on"}
"""As a shop has it; the tests' server forgets in a power cut."""
_WARM_UP = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """The servers, and what runs on them in every block."""

    world: World
    shop: Application
    redis: str
    product: b6.Subject
    skeleton: b6.Subject
    warm_up: int

    async def block(self, name: str, size: int) -> Block:
        """Measure one subject; a second worker comes for its block only, because an idle one would take jobs."""
        if name != TWO:
            return await self._measure(self.skeleton if name == BARE else self.product, name, size)
        second = _start_worker(self.world, self.redis)
        twins = replace(self.product, workers=(*self.product.workers, second))
        try:
            await quiet(twins.cpu)
            await self._warm(twins, name)
            return await self._measure(twins, name, size)
        finally:
            self.world.end(second)

    async def warm(self) -> None:
        """Let connections be opened and statements prepared."""
        await self._warm(self.product, ONE)
        await self._warm(self.skeleton, BARE)

    async def _warm(self, subject: b6.Subject, name: str) -> None:
        if self.warm_up:
            await self._measure(subject, name, self.warm_up)

    async def _measure(self, subject: b6.Subject, name: str, size: int) -> Block:
        return await b6.measure(self.world, subject, name, await b6.goods(self.world, self.shop, name, size))


async def run(world: World, *, rounds: int, size: int, quick: bool) -> Scenario:
    """Measure ``rounds`` rounds of ``size`` purchases each."""
    scenario = Scenario(name="b7", notes={"postgres": DURABLE})
    world.cores = tuple(machine.CORES)
    with _servers(world) as (database, skeletons, redis):
        async with stock.stocked(world) as shop:
            product = replace(await _start_product(world, redis), database=database)
            skeleton = replace(await b6.start_skeleton(world, skeletons), database=database)
            warm_up = 0 if quick else _WARM_UP
            town = Town(world=world, shop=shop, redis=redis, product=product, skeleton=skeleton, warm_up=warm_up)
            await town.warm()
            await interleave(scenario, (ONE, BARE, TWO), lambda name: town.block(name, size), rounds, quick=quick)
        for process in (*product.workers, product.process, skeleton.process):
            world.end(process)
    return scenario


@contextmanager
def _servers(world: World) -> Iterator[tuple[int, str, str]]:
    """Run the servers; yield Postgres's process id, the skeleton's database, and Redis."""
    machine.pin(0, *world.cores)
    with private_server(**DURABLE) as postgres, private_redis() as redis:
        machine.pin(0, machine.LOAD_CORE)
        for name in ("shop", "skeleton"):
            postgres.create(name, "template1")
        world.database_url = postgres.url("shop")
        yield postgres.pid, postgres.url("skeleton").replace("+asyncpg", ""), redis.url


async def _start_product(world: World, redis: str) -> b6.Subject:
    worker, port = _start_worker(world, redis), b6.free_port()
    settings = world.settings(port, VEILBOT_REDIS_URL=redis)
    api = world.start(*VEILBOT, "api", "--modules", "webhooks", env=settings)
    await world.answering(api, port)
    return b6.Subject(process=api, port=port, workers=(worker,))


def _start_worker(world: World, redis: str) -> "subprocess.Popen[bytes]":
    return world.start(*VEILBOT, "worker", env=world.settings(b6.free_port(), VEILBOT_REDIS_URL=redis))


def report(scenario: Scenario) -> None:
    """Print where it stands."""
    for name in (ONE, TWO):
        alone = [1 / value for value in scenario.ratios(name, BARE, "cpu_us")]
        whole = [1 / value for value in scenario.ratios(name, BARE, "whole_us")]
        rate, p99 = scenario.median(name, "rate"), scenario.median(name, "p99_ms")
        print(f"B7 {name:<17} {rate:.0f} keys/s (goal 400)   p99 {p99:.1f} ms   nothing lost or doubled in any round")
        print(f"B7 {name:<17} beside skeleton: CPU {spread(alone)}   with the database's {spread(whole)}   (goal 0.5)")
        print(f"B7 {name:<17} beside skeleton: rate {spread(scenario.ratios(name, BARE, 'rate'))}")
    cpu = spread(scenario.ratios(TWO, ONE, "whole_us"))
    print(f"B7 2 workers beside 1   rate {spread(scenario.ratios(TWO, ONE, 'rate'))} (goal 1.35)   CPU {cpu}")
