"""History: what happened in a run, for the invariants and for the trace."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

import structlog

from veilbot_core.domain.jobs import Job
from veilbot_core.domain.key import Key
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Payment
from veilbot_core.domain.subscription import Grant, Subscription
from veilbot_core.ports.failpoints import Point

CANARIES = ("canary", "mem://")
"""What every secret of a simulation holds: made tokens and addresses of servers, and access URLs."""

FORWARD = frozenset(
    {
        *(("pending", "paid"), ("pending", "canceled"), ("pending", "held"), ("pending", "refunded")),
        *(("canceled", "paid"), ("canceled", "held"), ("canceled", "refunded")),
        *(("paid", "fulfilled"), ("paid", "held"), ("paid", "refunded")),
        *(("held", "paid"), ("held", "refunded"), ("fulfilled", "refunded")),
    }
)
"""How an order may move; drawn here again on purpose, so that the core is not its own judge."""


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold."""

    invariant: str
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.detail}"


class History:
    """Everything that was done and said, as lines with a hash, and counters of what invariants need."""

    def __init__(self, time: Callable[[], float], *, keep: bool) -> None:
        self.lines: list[str] = []
        self.breaches: list[Breach] = []
        self.calls: Counter[tuple[str, str, int]] = Counter()
        self.points: Counter[Point] = Counter()
        self.told: Counter[UUID] = Counter()
        """Orders and moved keys, by how often their customers were told."""
        self.gone: set[UUID] = set()
        """Those whose customers could not be reached when they were to be told."""
        self.faults: Counter[str] = Counter()
        self._time = time
        self._keep = keep
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def digest(self) -> str:
        """The hash of all lines so far."""
        return self._hash.hexdigest()

    def note(self, *words: object) -> None:
        """Write a line."""
        line = f"{self._time():.6f} {' '.join(map(str, words))}"
        self._hash.update(line.encode() + b"\n")
        if any(canary in line for canary in CANARIES):
            self.breaches.append(Breach("no_secret_is_told", line))
        if self._keep:
            self.lines.append(line)

    def call(self, port: str, subject: object) -> None:
        """Count a call outward, by the minute."""
        self.calls[port, str(subject), int(self._time() // 60)] += 1

    def breach(self, invariant: str, detail: str) -> None:
        """Write down what should not have happened."""
        self.breaches.append(Breach(invariant, detail))
        self.note("breach", invariant, detail)

    def witness(self, before: object, after: object) -> None:
        """See one row change in a commit."""
        match before, after:
            case (Job(), _) | (None, Job()):
                return
            case Order(), Order():
                self._order(before, after)
            case Key(), Key() if after.used < before.used:
                self.breach("traffic_only_grows", f"key {after.id}: {before.used} to {after.used} bytes")
            case Payment(), _:
                self.breach("states_only_move_forward", f"a booked payment changed: {before.id}")
            case Grant(), Grant() if after.taken_back < before.taken_back or after.days != before.days:
                self.breach("states_only_move_forward", f"grant {after.id} gave back what was taken back")
            case ((Grant() | Subscription() | Order() | Key()), None):
                self.breach("states_only_move_forward", f"a {type(before).__name__.lower()} was deleted")
        if after is not None:
            self.note("commit", type(after).__name__, getattr(after, "id", ""), _state(after))

    def _order(self, before: Order, after: Order) -> None:
        if before.status is not after.status and (before.status.value, after.status.value) not in FORWARD:
            self.breach("states_only_move_forward", f"order {after.id}: {before.status} to {after.status}")
        if (before.price, before.terms, before.user_id) != (after.price, after.terms, after.user_id):
            self.breach("states_only_move_forward", f"order {after.id} changed what was agreed")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn what the product logs into lines, and nothing else, while inside."""
        logger, handler = logging.getLogger("veilbot_core"), _Ear(self)
        before = logger.level, logger.propagate
        config = structlog.get_config()

        def sink(_: object, level: str, event: MutableMapping[str, Any]) -> NoReturn:
            self.note("log", level, event["event"], event.get("error", ""))
            raise structlog.DropEvent

        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        structlog.configure(processors=[sink], wrapper_class=structlog.BoundLogger, cache_logger_on_first_use=False)
        try:
            yield
        finally:
            structlog.configure(**config)
            logger.removeHandler(handler)
            logger.setLevel(before[0])
            logger.propagate = before[1]


class _Ear(logging.Handler):
    """Hears the core; an error there is a failure of its own making."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def emit(self, record: logging.LogRecord) -> None:
        self._history.note("log", record.levelname, record.getMessage())
        if record.levelno >= logging.ERROR:
            error = record.exc_info[1] if record.exc_info else None
            self._history.breach("no_step_fails_by_itself", f"{record.getMessage()}: {type(error).__name__}: {error}")


def _state(row: object) -> str:
    match row:
        case Order():
            return row.status
        case Key():
            return f"{row.desired.present:d}{row.observed.present:d}{row.placed:d}"
        case Subscription():
            return f"{row.ends_at:%d-%H:%M:%S}{' frozen' if row.frozen_at else ''}"
        case Payment():
            return f"{row.kind} {row.status} {row.money}"
        case _:
            return ""
