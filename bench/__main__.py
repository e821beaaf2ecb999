"""``python -m bench [b3|b6|b16|b17|all] [--rounds 5] [--quick] [--json FILE]``."""

import argparse
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench import b6, costs, machine
from bench.world import open_world
from veilbot_runners import logs


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", default="all", choices=["b3", "b6", "b16", "b17", "all", "counts", "profile"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=1500, help="purchases in a block of B6")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one small round, no figures to quote")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    logs.configure("error")
    found = uvloop.run(_go(given))
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


async def _go(given: argparse.Namespace) -> dict[str, Any]:
    print(f"{datetime.now(UTC):%Y-%m-%d}  {machine.shape()}")
    rounds, size = (1, 40) if given.quick else (given.rounds, given.size)
    found: dict[str, Any] = {"machine": machine.shape()}
    if given.what in {"b6", "all"}:
        with tempfile.TemporaryDirectory(prefix="veilbot-bench-") as folder:
            async with open_world(Path(folder)) as world:
                scenario = await b6.run(world, rounds=rounds, size=size, quick=given.quick)
        b6.report(scenario)
        found["b6"] = scenario.plain()
    if given.what == "counts":
        with tempfile.TemporaryDirectory(prefix="veilbot-bench-") as folder:
            async with open_world(Path(folder)) as world:
                found["counts"] = await b6.count_work(world, size=size)
        for name, times in found["counts"].items():
            print(f"  {times:6.2f}  {name}")
    if given.what == "profile":
        stacks = Path("profile.raw")
        with tempfile.TemporaryDirectory(prefix="veilbot-bench-") as folder:
            async with open_world(Path(folder)) as world:
                block = await b6.profile(world, size=given.size, stacks=stacks)
        print(block.line())
        costs.report(stacks, block.cpu_us)
    return found


if __name__ == "__main__":
    main()
