"""``veilbot simulate`` when the promise is broken: it names the seed, the invariant, and the line to see it again."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from uuid import uuid5

import pytest
from tests.runners.commands.terminal import Run

from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.vpn import Endpoint, KeySpec
from veilbot_runners.simulation.ports import SimVpn

BROKEN = "servers_have_what_is_wanted"
SMALLEST = ("simulate", "--seed", "1", "--orders", "1", "--faults", "none")


@pytest.fixture
def bug() -> Iterator[pytest.MonkeyPatch]:
    """Servers keep keys under another id on each attempt, until it is mended by ``undo``."""
    issue, attempts = SimVpn.issue, count()

    async def elsewhere(self: SimVpn, endpoint: Endpoint, key: KeySpec) -> str:
        return await issue(self, endpoint, replace(key, id=KeyId(uuid5(key.id, str(next(attempts))))))

    with pytest.MonkeyPatch.context() as planted:
        planted.setattr(SimVpn, "issue", elsewhere)
        yield planted


@pytest.mark.usefixtures("bug")
def test_a_broken_run_names_its_seed_the_invariant_and_the_smallest_line(run: Run) -> None:
    done = run("simulate", "--seed", "1", "--orders", "4", "--faults", "servers,telegram")
    assert (done.code, done.err) == (1, "")
    first, *details, line, summary = done.out.splitlines()
    assert first == f"seed 1 breaks {BROKEN}"
    assert details
    assert all(detail.startswith(f"  {BROKEN}: ") for detail in details)
    assert line == f"  veilbot {' '.join(SMALLEST)}"
    assert re.fullmatch(r"0 of 1 seeds keep the promise; .* virtual days in .* s of processor time", summary)


def test_the_line_shows_it_again_until_it_is_mended(run: Run, bug: pytest.MonkeyPatch) -> None:
    again = run(*SMALLEST)
    assert again.code == 1
    assert f"seed 1 breaks {BROKEN}" in again.out
    bug.undo()
    assert run(*SMALLEST).code == 0


@pytest.mark.usefixtures("bug")
def test_in_json_every_seed_says_what_it_breaks(run: Run) -> None:
    done = run("simulate", "--seed", "1", "--seeds", "2", "--orders", "2", "--faults", "none", "--json")
    assert done.code == 1
    first, second = done.json["items"]
    assert (first["seed"], first["broken"], first["reproduce"]) == (
        1,
        [BROKEN],
        f"veilbot {' '.join(SMALLEST)}",
    )
    assert second["seed"] == 2
    assert BROKEN in second["broken"]
    assert re.fullmatch(r"veilbot simulate --seed 2 --orders [12] --faults none", second["reproduce"])
    assert all(detail.startswith(f"{BROKEN}: ") for detail in first["details"])


def test_several_processes_play_the_same_runs_in_the_same_order(run: Run) -> None:
    line = ("simulate", "--seed", "11", "--seeds", "4", "--orders", "2", "--json")
    assert run(*line, "--jobs", "3").json == run(*line).json


def test_a_fault_that_is_none_is_found_out_before_any_process_starts(run: Run) -> None:
    done = run("simulate", "--seeds", "4", "--jobs", "2", "--faults", "earthquake")
    assert done.code == 2
    assert "earthquake" in done.err
