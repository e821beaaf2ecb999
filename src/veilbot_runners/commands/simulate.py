"""``veilbot simulate``: the proof that money in means exactly one key, run after run."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from veilbot_runners.commands.printing import AsJson, Row, show, show_all

if TYPE_CHECKING:
    from veilbot_runners.simulation import Outcome


def simulate(
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    orders: Annotated[int, typer.Option(min=1, max=10_000, help="Orders per seed.")] = 4,
    faults: Annotated[
        str, typer.Option(help="mix (the seed chooses), all, none, or names with commas between.")
    ] = "mix",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, one after another.")] = 1,
    trace: Annotated[bool, typer.Option("--trace", help="Print every step of the runs on stderr.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the real services under faults in virtual time, deterministically, and check the promise."""
    from veilbot_runners.simulation import Scenario, read_faults
    from veilbot_runners.simulation import simulate as play

    kinds, rows, began = read_faults(faults), list[Row](), time.process_time()
    for number in range(seed, seed + seeds):
        outcome = play(Scenario(seed=number, orders=orders, faults=kinds), keep=trace)
        print(*outcome.history.lines, sep="\n", file=sys.stderr) if trace else None
        rows.append(_row(outcome))
        if sys.stderr.isatty() and seeds > 1:
            print(f"\r{number - seed + 1} of {seeds}", end="", file=sys.stderr)
    broken = [row for row in rows if row["broken"]]
    if as_json:
        show_all(rows, as_json=True, empty="")
    else:
        _report(rows, broken, time.process_time() - began)
    if broken:
        sys.exit(1)


def _row(outcome: "Outcome") -> Row:
    """Describe a run; one that failed is shrunk first, so that its line says what is needed to see it again."""
    from veilbot_runners.simulation import shrink

    smallest = shrink(outcome) if outcome.breaches else outcome
    return {
        "seed": outcome.scenario.seed,
        "trace": outcome.digest,
        "faults": sorted(outcome.faults),
        "days": round(outcome.seconds / 86400, 2),
        "steps": outcome.steps,
        "broken": sorted({breach.invariant for breach in smallest.breaches}),
        "details": [str(breach) for breach in smallest.breaches[:5]],
        "reproduce": smallest.scenario.command,
    }


def _report(rows: list[Row], broken: list[Row], seconds: float) -> None:
    for row in broken:
        print(f"seed {row['seed']} breaks {', '.join(_texts(row['broken']))}")
        print(*(f"  {detail}" for detail in _texts(row["details"])), sep="\n")
        print(f"  {row['reproduce']}")
    if len(rows) == 1 and not broken:
        show({name: rows[0][name] for name in ("seed", "trace", "faults", "days", "steps")}, as_json=False)
    days = sum(float(str(row["days"])) for row in rows)
    kept = f"{len(rows) - len(broken)} of {len(rows)} seeds keep the promise"
    print(f"{kept}; {days:.1f} virtual days in {seconds:.1f} s of processor time")


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
