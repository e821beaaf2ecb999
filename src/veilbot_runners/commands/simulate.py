"""``veilbot simulate``: the proof that money in means exactly one key, run after run."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Annotated

import typer

from veilbot_core.domain.errors import Unavailable
from veilbot_runners.commands.printing import AsJson, Row, show, show_all

if TYPE_CHECKING:
    from veilbot_runners.simulation import Outcome

_BETWEEN = 60.0
"""Seconds between two lines that say how far it is, where no terminal shows it all the time."""


def simulate(
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    orders: Annotated[int, typer.Option(min=1, max=10_000, help="Orders per seed.")] = 4,
    faults: Annotated[
        str, typer.Option(help="mix (the seed chooses), all, none, or names with commas between.")
    ] = "mix",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, one after another.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="How many processes share the seeds.")] = 1,
    trace: Annotated[bool, typer.Option("--trace", help="Print every step of the runs on stderr.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the real services under faults in virtual time, deterministically, and check the promise."""
    from veilbot_runners.simulation import read_faults

    read_faults(faults)  # before a process is started for what is wrong
    runs = [_Run(number, orders, faults, trace) for number in range(seed, seed + seeds)]
    rows, progress = list[Row](), _Progress(len(runs))
    for played in _each(runs, min(jobs, len(runs))):
        print(*played.lines, sep="\n", file=sys.stderr) if trace else None
        rows.append(played.row)
        progress.told(played)
        if played.row["broken"] and not as_json:
            progress.clear()
            _tell(played.row)
    progress.clear()
    show_all(rows, as_json=True, empty="") if as_json else _sum_up(rows, progress)
    if progress.broken:
        sys.exit(1)


@dataclass(frozen=True, slots=True)
class _Run:
    """What one process is asked to play."""

    seed: int
    orders: int
    faults: str
    keep: bool


@dataclass(frozen=True, slots=True)
class _Played:
    """What it says of it."""

    row: Row
    lines: list[str]
    seconds: float
    """Of processor time."""


def _each(runs: Iterable[_Run], jobs: int) -> Iterator[_Played]:
    """Play in the order of the seeds, in this process or in several. Raises Unavailable when one of those dies."""
    if jobs == 1:
        yield from map(_play, runs)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            for future in _begin(pool, runs):
                yield future.result()
        except BrokenProcessPool:
            raise Unavailable(
                "a process that played seeds was ended from outside (is there too little memory?); "
                "veilbot simulate with fewer --jobs needs less"
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)  # what has begun ends in a moment
            raise


def _begin(pool: ProcessPoolExecutor, runs: Iterable[_Run]) -> list[Future[_Played]]:
    """Start the processes, to which Ctrl+C means nothing from their first moment, and give them what to do.

    It is for the process that they work for, which ends them and says one thing; it comes through after this.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return [pool.submit(_play, run) for run in runs]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """See that this process ends when the one that it works for is gone, however that ended."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _play(run: _Run) -> _Played:
    from veilbot_runners.simulation import Scenario, read_faults
    from veilbot_runners.simulation import simulate as play

    began = time.process_time()
    outcome = play(Scenario(seed=run.seed, orders=run.orders, faults=read_faults(run.faults)), keep=run.keep)
    return _Played(_row(outcome), outcome.history.lines, time.process_time() - began)


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


@dataclass(slots=True)
class _Progress:
    """How far it is: always on a terminal, a line each minute elsewhere."""

    runs: int
    done: int = 0
    broken: int = 0
    seconds: float = 0.0
    _said: float = field(default_factory=time.monotonic)
    _shown: bool = False

    def told(self, played: _Played) -> None:
        """Count a run, and say so."""
        self.done += 1
        self.broken += bool(played.row["broken"])
        self.seconds += played.seconds
        text = f"{self.done} of {self.runs} seeds, {self.broken} broken"
        if sys.stderr.isatty() and self.runs > 1:
            print(f"\r{text}", end="", file=sys.stderr, flush=True)
            self._shown = True
        elif time.monotonic() - self._said >= _BETWEEN:
            print(text, file=sys.stderr, flush=True)
            self._said = time.monotonic()

    def clear(self) -> None:
        """End the line that a terminal shows."""
        if self._shown:
            print(file=sys.stderr)
            self._shown = False


def _tell(row: Row) -> None:
    print(f"seed {row['seed']} breaks {', '.join(_texts(row['broken']))}")
    print(*(f"  {detail}" for detail in _texts(row["details"])), sep="\n")
    print(f"  {row['reproduce']}", flush=True)


def _sum_up(rows: list[Row], progress: _Progress) -> None:
    if len(rows) == 1 and not progress.broken:
        show({name: rows[0][name] for name in ("seed", "trace", "faults", "days", "steps")}, as_json=False)
    days = sum(float(str(row["days"])) for row in rows)
    kept = f"{len(rows) - progress.broken} of {len(rows)} seeds keep the promise"
    print(f"{kept}; {days:.1f} virtual days in {progress.seconds:.1f} s of processor time")


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
