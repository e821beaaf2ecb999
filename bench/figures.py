"""Figures of a run: what was measured in each round, and ratios with their spread."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One subject in one round."""

    subject: str
    done: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """CPU of the subject per thing done, what it does afterwards (follow-up jobs, facts) included."""
    load_busy: float
    """Share of the load's core that was busy; near 1 the outside is the limit, not the subject."""
    database_us: float = 0.0
    """CPU of a database server per thing done."""

    @property
    def rate(self) -> float:
        """Return things done per second."""
        return self.done / self.seconds

    @property
    def whole_us(self) -> float:
        """Return the CPU per thing done, the database server's included."""
        return self.cpu_us + self.database_us

    def line(self) -> str:
        """Say it in a line."""
        server = f"  database {self.database_us:6.0f} us" if self.database_us else ""
        return (
            f"{self.subject:<17} {self.rate:8.0f}/s  p50 {self.p50_ms:6.1f} ms  p99 {self.p99_ms:6.1f} ms"
            f"  CPU {self.cpu_us:6.0f} us  load {self.load_busy:4.0%}{server}"
        )


@dataclass(slots=True, kw_only=True)
class Scenario:
    """All rounds of one benchmark."""

    name: str
    rounds: list[dict[str, Block]] = field(default_factory=list)
    dropped: int = 0
    """Rounds in which the yardstick moved."""
    notes: dict[str, Any] = field(default_factory=dict)

    def median(self, subject: str, what: str) -> float:
        """Return the median of one figure over the rounds."""
        return float(statistics.median(getattr(blocks[subject], what) for blocks in self.rounds))

    def ratios(self, subject: str, beside: str, what: str) -> list[float]:
        """Return one ratio a round."""
        return [getattr(blocks[subject], what) / getattr(blocks[beside], what) for blocks in self.rounds]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        rounds = [{name: asdict(b) | {"rate": b.rate} for name, b in blocks.items()} for blocks in self.rounds]
        return {"name": self.name, "rounds": rounds, "dropped": self.dropped, **self.notes}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float]) -> str:
    """Say median, minimum and maximum."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} .. {max(values):.2f})"
