"""The simulator itself: the same seed is the same run, each kind of fault happens, and nothing is broken by any."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.ports.failpoints import Point
from veilbot_runners.simulation import Fault, Scenario, read_faults, simulate
from veilbot_runners.simulation.faults import write_faults

SEEDS = int(os.environ.get("VEILBOT_SIMULATION_SEEDS", "500"))
FIRST = int(os.environ.get("VEILBOT_SIMULATION_FIRST", "1"))
ORDERS = int(os.environ.get("VEILBOT_SIMULATION_ORDERS", "3"))
BLOCK = 50
BUDGET = 300.0
"""Seconds of processor time that 500 seeds may take, on a machine that is slow."""
KEPT = Path(__file__).with_name("seeds.txt")
SIGNS = {
    Fault.CRASH: "died",
    Fault.STORAGE: "commit unheard",
    Fault.SERVERS: "list",
    Fault.PROVIDERS: "webhook dropped",
    Fault.TELEGRAM: "alert",
    Fault.PAUSES: "pause",
    Fault.BROKER: "ticket lost",
}


def kept() -> list[Scenario]:
    """Read the seeds that once failed: seed, orders and faults in each line; a # begins a remark."""
    lines = (line.partition("#")[0].split() for line in KEPT.read_text(encoding="utf-8").splitlines())
    return [
        Scenario(seed=int(seed), orders=int(orders), faults=read_faults(faults))
        for seed, orders, faults in filter(None, lines)
    ]


def keeps_the_promise(scenario: Scenario) -> None:
    outcome = simulate(scenario)
    assert not outcome.breaches, "\n".join([scenario.command, *map(str, outcome.breaches)])


@pytest.mark.parametrize("block", range(FIRST, FIRST + SEEDS, BLOCK))
def test_seeds(block: int, spent: Counter[str]) -> None:
    began, seeds = time.process_time(), range(block, min(block + BLOCK, FIRST + SEEDS))
    for seed in seeds:
        keeps_the_promise(Scenario(seed=seed, orders=ORDERS))
    seconds = time.process_time() - began
    spent.update({"seeds": len(seeds), "seeds' time": round(seconds * 1000)})
    assert seconds / len(seeds) * 500 < BUDGET * max(1, ORDERS / 3), "500 seeds take less than five minutes"


@pytest.mark.parametrize("scenario", kept(), ids=lambda scenario: scenario.command.replace(" ", "_"))
def test_seeds_that_failed_once(scenario: Scenario, spent: Counter[str]) -> None:
    began = time.process_time()
    keeps_the_promise(scenario)
    spent["kept seeds' time"] += round((time.process_time() - began) * 1000)


@pytest.mark.parametrize("kind", list(Fault))
def test_each_kind_of_fault_alone(kind: Fault) -> None:
    met: Counter[str] = Counter()
    for seed in range(9000, 9010):
        outcome = simulate(Scenario(seed=seed, orders=4, faults=frozenset({kind})))
        assert not outcome.breaches, outcome.scenario.command
        assert outcome.faults == {kind}
        met += outcome.history.faults
    assert any(name.startswith(SIGNS[kind]) for name in met), met


def test_every_failpoint_is_died_at_between_webhook_and_message() -> None:
    left, seeds = set(Point), iter((9169, 9107, 9109, *range(9110, 9160)))  # three do, as long as nothing changes
    while left and (seed := next(seeds, None)) is not None:
        met = simulate(Scenario(seed=seed, orders=6, faults=frozenset({Fault.CRASH}))).history.faults
        left -= {point for point in left if met[f"died at {point.value}"]}
    assert not left


def run_with_hash_seed(seed: str) -> list[str]:
    line = [
        sys.executable,
        "-m",
        "veilbot_runners",
        "simulate",
        "--seed",
        "11",
        "--seeds",
        "2",
        "--orders",
        "5",
        "--json",
    ]
    done = subprocess.run(line, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True)
    return [item["trace"] for item in json.loads(done.stdout)["items"]]


def test_a_seed_is_the_same_run_in_any_process() -> None:
    first = run_with_hash_seed("1")
    assert first == run_with_hash_seed("2")
    assert first == [simulate(Scenario(seed=seed, orders=5)).digest for seed in range(11, 13)]
    assert len(set(first)) == 2


def test_a_seed_is_the_same_run_after_other_runs() -> None:
    scenario = Scenario(seed=3, faults=frozenset(Fault))
    first = simulate(scenario, keep=True)
    simulate(Scenario(seed=4))
    assert simulate(scenario, keep=True).history.lines == first.history.lines


def test_a_virtual_month_takes_no_minute() -> None:
    began, days = time.process_time(), 0.0
    for seed in range(9300, 9312):
        days += simulate(Scenario(seed=seed)).seconds / 86400
    assert days / 30 > (time.process_time() - began) / 60


def test_faults_are_read_as_they_are_written() -> None:
    for text in ("all", "none", "mix", "crash", "crash,storage"):
        assert write_faults(read_faults(text)) == text
    with pytest.raises(InvalidInput, match="earthquake"):
        read_faults("crash,earthquake")
