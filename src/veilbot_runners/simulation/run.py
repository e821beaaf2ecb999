"""One run: a shop is opened, trouble comes and goes, and everything must settle."""

import asyncio
from dataclasses import dataclass, field
from random import Random

from veilbot_runners.simulation.evidence import Evidence
from veilbot_runners.simulation.faults import Fault, Faults, write_faults
from veilbot_runners.simulation.history import Breach, History
from veilbot_runners.simulation.invariants import judge
from veilbot_runners.simulation.loop import Stuck, VirtualLoop
from veilbot_runners.simulation.operators import Operator
from veilbot_runners.simulation.people import Customer, Story
from veilbot_runners.simulation.provider import Cashier
from veilbot_runners.simulation.shelf import OFFERS, drafts
from veilbot_runners.simulation.weather import Weather
from veilbot_runners.simulation.world import Plant, World

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_SILENCE = 0.2
"""How often a provider that has its moods sends no webhook at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What to run; the same one gives the same trace in any process."""

    seed: int
    orders: int = 4
    faults: frozenset[Fault] | None = None
    """None lets the seed choose."""
    plant: Plant = field(default_factory=Plant)

    @property
    def command(self) -> str:
        """The line that runs it."""
        return f"veilbot simulate --seed {self.seed} --orders {self.orders} --faults {write_faults(self.faults)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run."""

    scenario: Scenario
    faults: frozenset[Fault]
    digest: str
    breaches: list[Breach]
    seconds: float
    """Virtual."""
    steps: int
    history: History


def simulate(scenario: Scenario, *, keep: bool = False) -> Outcome:
    """Play a scenario; ``keep`` remembers the lines of the trace, too."""
    patience = 5_000_000 + 500_000 * scenario.orders  # an order that waits for a place is tried for as long as it waits
    loop = VirtualLoop(Random(f"{scenario.seed}/loop"), steps=patience)
    before = loop.left
    faults = Faults.roll(Random(f"{scenario.seed}/faults"), scenario.faults)
    world = World(loop, Random(f"{scenario.seed}/world"), faults, scenario.plant, keep=keep)
    try:
        with world.history.listening():
            play = loop.create_task(_Play(scenario, world).run())
            breaches = _watch(loop, play)
            digest, seconds, steps = world.history.digest, loop.time(), before - loop.left
            loop.run_until_complete(_end(world, play))
    finally:
        loop.close()
    return Outcome(
        scenario=scenario,
        faults=faults.kinds,
        digest=digest,
        breaches=breaches,
        seconds=seconds,
        steps=steps,
        history=world.history,
    )


class _Play:
    """The acts of one run."""

    def __init__(self, scenario: Scenario, world: World) -> None:
        self._scenario, self._world = scenario, world
        self._operator = Operator(world, Random(f"{scenario.seed}/operator"))

    async def run(self) -> list[Breach]:
        """Open, trade under faults, settle, judge; now and then wait until everything has expired, too."""
        world, random = self._world, self._world.random
        await _open(world, Random(f"{self._scenario.seed}/shelf"), self._scenario.orders)
        span = random.choice((5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR))
        if world.faults.has(Fault.PROVIDERS) and random.random() < _SILENCE:
            world.silent_until = _DAY  # longer than the trouble: what was paid is found out by asking alone
            world.history.note("no webhook comes for a day")
        for number in range(random.choice((1, 2, 2, 3, 4))):
            world.machines.append(world.loop.create_task(world.machine(number + 1)))
        await self._trade(span)
        breaches = await self._settle()
        tail = random.choice((0.0,) * 12 + (2.5 * _DAY,) * 3 + (35 * _DAY,))
        if tail and not breaches:
            await self._operator.make_room()
            world.pace("quiet")
            await asyncio.sleep(tail)
            world.pace("settle")
            await asyncio.sleep(20 * _MINUTE)
            breaches = judge(await Evidence.gather(world))
        return breaches

    async def _trade(self, span: float) -> None:
        """Let customers, the provider, operators and the weather do what they do, until all stories are told."""
        world, orders, operator = self._world, self._scenario.orders, self._operator
        weather = Weather(world)
        async with asyncio.TaskGroup() as outside:
            cashier = Cashier(world, outside)
            acts = (
                weather.over_servers(),
                weather.over_database(),
                weather.traffic(),
                operator.live(),
                operator.empty(),
                *(() if world.broker is None else (world.broker.live(),)),
            )
            background = [outside.create_task(act) for act in acts]
            customers = max(1, orders // 2)
            async with asyncio.TaskGroup() as group:
                for number in range(orders):
                    story = Story.roll(self._scenario.seed, number, customers, span)
                    group.create_task(Customer(world, cashier).live(story))
            await asyncio.sleep(world.random.choice((_MINUTE, 30 * _MINUTE)))
            for task in background:
                task.cancel()
            world.calm()
            world.pace("settle")

    async def _settle(self) -> list[Breach]:
        """Wait, within bounds, until nothing is under way; then for a pass over all servers; then judge."""
        world = self._world
        for _ in range(20):
            await self._operator.tidy()
            await asyncio.sleep(10 * _MINUTE)
            if (await Evidence.gather(world)).at_rest:
                break
        await asyncio.sleep(22 * _MINUTE)
        await self._operator.tidy()
        await asyncio.sleep(4 * _MINUTE)
        return judge(await Evidence.gather(world))


def _watch(loop: VirtualLoop, play: asyncio.Task[list[Breach]]) -> list[Breach]:
    """Run to the end, or until it is clear that there will be none."""
    try:
        return loop.run_until_complete(play)
    except Stuck as error:
        loop.refill()
        return [Breach("everything_settles", error.message)]


async def _open(world: World, whim: Random, orders: int) -> None:
    """Put tariffs and servers into an empty shop, before any trouble."""
    world.faults.active = False
    app = world.process("opening").application
    for terms in OFFERS:
        world.tariffs.append(await app.catalog.add(terms, {"USD": 499, "EUR": 450}))
    for draft in drafts(world.random, whim, orders):
        world.servers.append(await app.fleet.add(draft, probe=False))
    world.faults.active = True


async def _end(world: World, play: asyncio.Task[list[Breach]]) -> None:
    """Stop all processes, so that nothing is left behind."""
    play.cancel()
    world.faults.active = False
    for machine in world.machines:
        machine.cancel()
    for process in world.processes:
        process.kill()
    await asyncio.wait({play, *world.machines})
    for process in world.processes:
        await process.gone()
