"""``python -m bench [WHAT] [--rounds 5] [--size N] [--quick] [--json FILE]``; see README.md for what there is."""

import argparse
import json
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench import b3, b5, b6, b7, b8, b16, costs, machine, restore
from bench.world import World, open_world
from veilbot_runners import logs


class Plan(argparse.Namespace):
    """What was asked for."""

    what: str
    rounds: int
    size: int | None
    quick: bool
    json: Path | None

    def of(self, size: int, quick: int) -> int:
        """Return how many things a block has."""
        return quick if self.quick else self.size or size


async def _b6(world: World, plan: Plan) -> dict[str, Any]:
    scenario = await b6.run(world, rounds=plan.rounds, size=plan.of(1500, 40), quick=plan.quick)
    b6.report(scenario)
    return scenario.plain()


async def _b7(world: World, plan: Plan) -> dict[str, Any]:
    scenario = await b7.run(world, rounds=plan.rounds, size=plan.of(600, 30), quick=plan.quick)
    b7.report(scenario)
    return scenario.plain()


async def _b8(world: World, plan: Plan) -> dict[str, Any]:
    scenario = await b8.run(world, rounds=plan.rounds, size=plan.of(600, 60), quick=plan.quick)
    b8.report(scenario)
    return scenario.plain()


async def _restore(world: World, plan: Plan) -> dict[str, Any]:
    scenario = await restore.run(world.folder, rounds=plan.rounds, users=plan.of(10_000, 500))
    restore.report(scenario)
    return scenario.plain()


async def _b3(world: World, plan: Plan) -> dict[str, Any]:
    scenario = await b3.run(world, rounds=plan.rounds, size=plan.of(4000, 100), quick=plan.quick)
    b3.report(scenario)
    return scenario.plain()


async def _b5(world: World, plan: Plan) -> dict[str, Any]:
    scenario = await b5.run(world, rounds=plan.rounds, quick=plan.quick)
    b5.report(scenario)
    return scenario.plain()


async def _b16(world: World, plan: Plan) -> dict[str, Any]:
    found = await b16.run(world, rounds=plan.rounds)
    b16.report(found)
    return found


async def _counts(world: World, plan: Plan) -> dict[str, Any]:
    found = await b6.count_work(world, size=plan.of(600, 40))
    for name, times in found.items():
        print(f"  {times:8.2f}  {name}")
    return {"name": "counts", "per_key": found}


async def _profile(world: World, plan: Plan) -> dict[str, Any]:
    stacks = Path("profile.raw")
    block = await b6.profile(world, size=plan.of(1500, 100), stacks=stacks)
    print(block.line())
    costs.report(stacks)
    return {"name": "profile"}


SCENARIOS: dict[str, Callable[[World, Plan], Awaitable[dict[str, Any]]]] = {
    "b6": _b6,
    "b7": _b7,
    "b8": _b8,
    "restore": _restore,
    "b3": _b3,
    "b5": _b5,
    "b16": _b16,
    "counts": _counts,
    "profile": _profile,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", default="all", choices=[*SCENARIOS, "b17", "all"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, help="things in a block")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one small round, no figures to quote")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    plan = parser.parse_args(namespace=Plan())
    if plan.quick:
        plan.rounds = 1
    logs.configure("error")
    found = uvloop.run(_run(plan))
    if plan.json is not None:
        plan.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


async def _run(plan: Plan) -> dict[str, Any]:
    print(f"{datetime.now(UTC):%Y-%m-%d}  {machine.shape()}  yardstick {machine.yardstick():.0f} us")
    chosen = {"all": ["b6", "b3", "b5", "b16"], "b17": ["b16"]}.get(plan.what, [plan.what])
    found: dict[str, Any] = {"machine": machine.shape(), "yardstick_us": machine.yardstick()}
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="veilbot-bench-") as folder:
            async with open_world(Path(folder)) as world:
                found[name] = await SCENARIOS[name](world, plan)
    return found


if __name__ == "__main__":
    main()
