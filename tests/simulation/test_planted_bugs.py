"""Each guard is taken away once, and the invariant that must see it does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulation import (
    bugs_of_claims,
    bugs_of_keys,
    bugs_of_money,
    bugs_of_moving,
    bugs_of_slow_money,
    bugs_of_terms,
    bugs_of_tickets,
    bugs_of_work,
)
from tests.simulation.bugs import Bug

from veilbot_runners.simulation import Outcome, Scenario, invariants, read_faults, shrink, simulate

BUGS = (
    *(*bugs_of_money.BUGS, *bugs_of_claims.BUGS, *bugs_of_keys.BUGS),
    *(*bugs_of_moving.BUGS, *bugs_of_work.BUGS, *bugs_of_tickets.BUGS, *bugs_of_slow_money.BUGS),
    *bugs_of_terms.BUGS,
)
WITHIN = 500
SEEN_WHILE_IT_RUNS = frozenset(
    {
        *("states_only_move_forward", "traffic_only_grows", "no_secret_is_told"),
        *("no_step_fails_by_itself", "workers_survive", "nobody_is_left_without_a_key"),
        *("nothing_runs_beside_itself", "money_on_its_way_keeps_its_order_open"),
        "nothing_is_sold_without_room",
    }
)


def runs(bug: Bug) -> Iterator[Outcome]:
    for seed in dict.fromkeys((bug.first, *range(1, WITHIN))):
        scenario = Scenario(seed=seed, orders=bug.orders, faults=read_faults(bug.faults), plant=bug.plant)
        yield simulate(scenario)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_it_is_caught(bug: Bug) -> None:
    caught = (run for run in runs(bug) if bug.breaks in {breach.invariant for breach in run.breaches})
    assert next(caught, None) is not None, f"{WITHIN} seeds did not show that {bug.name}"


def test_there_are_many_and_their_names_differ() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 20


def row(bug: Bug) -> str:
    orders = {4: "", 1: ", 1 order"}.get(bug.orders, f", {bug.orders} orders")
    return f"| {bug.name} | {bug.guard} | `{bug.breaks}` | {bug.faults.replace(',', ', ')}{orders} | {bug.first} |"


def test_the_page_lists_them_all() -> None:
    page = Path(__file__).with_name("README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in page if line.startswith("| ")][1:] == [row(bug) for bug in BUGS]


def test_every_invariant_has_been_seen_to_fail() -> None:
    every = {rule.__name__ for rule in invariants.INVARIANTS} | SEEN_WHILE_IT_RUNS
    assert every - {bug.breaks for bug in BUGS} == set()


def test_a_failure_shrinks_to_its_cause_and_is_shown_in_one_line() -> None:
    (bug,) = [bug for bug in BUGS if bug.name == "a key has another id on each attempt"]
    outcome = simulate(Scenario(seed=1, orders=4, faults=read_faults("servers,telegram"), plant=bug.plant))
    assert shrink(outcome).scenario.command == "veilbot simulate --seed 1 --orders 1 --faults none"
