"""Shrinking: the smallest scenario that still breaks the same invariant."""

from collections.abc import Iterator
from dataclasses import replace

from veilbot_runners.simulation.run import Outcome, Scenario, simulate


def shrink(found: Outcome) -> Outcome:
    """Return the failing run with the fewest orders and kinds of faults that was found."""
    names = {breach.invariant for breach in found.breaches}
    best = found
    while (smaller := next(_still_failing(best, names), None)) is not None:
        best = smaller
    return best


def _still_failing(outcome: Outcome, names: set[str]) -> Iterator[Outcome]:
    """Try what is smaller, one step at a time."""
    for scenario in _smaller(outcome):
        tried = simulate(scenario)
        if names & {breach.invariant for breach in tried.breaches}:
            yield tried


def _smaller(outcome: Outcome) -> Iterator[Scenario]:
    scenario = outcome.scenario
    if scenario.orders > 1:
        yield replace(scenario, orders=scenario.orders // 2)
        yield replace(scenario, orders=scenario.orders - 1)
    yield from (replace(scenario, faults=outcome.faults - {kind}) for kind in sorted(outcome.faults))
