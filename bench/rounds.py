"""Rounds in which subjects take turns, forwards and backwards, on a machine that other work must not disturb."""

from collections.abc import Awaitable, Callable, Sequence

from bench import machine
from bench.figures import Block, Scenario

_MOVED = 0.15


class TooBusy(Exception):
    """The machine's other work left no round to look at."""


async def interleave(
    scenario: Scenario, subjects: Sequence[str], block: Callable[[str], Awaitable[Block]], rounds: int, *, quick: bool
) -> None:
    """Measure every subject in each of ``rounds`` rounds; one in which the yardstick moves is dropped."""
    while len(scenario.rounds) < rounds and scenario.dropped < 2 * rounds:
        even = (len(scenario.rounds) + scenario.dropped) % 2 == 0
        before = machine.yardstick()
        blocks = {name: await block(name) for name in (subjects if even else subjects[::-1])}
        moved = abs(machine.yardstick() / before - 1)
        if moved > _MOVED and not quick:
            scenario.dropped += 1
            print(f"  round dropped: the yardstick moved by {moved:.0%}")
            continue
        scenario.rounds.append(blocks)
        for one in blocks.values():
            print("  " + one.line())
    if not scenario.rounds:
        raise TooBusy("the machine is too busy: the yardstick moved in every round")
