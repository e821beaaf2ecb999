"""Job: a piece of work that outlives the process that began it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from veilbot_core.domain.ids import JobId, derive


class JobKind(StrEnum):
    """What there is to do; one service method each."""

    FULFIL_ORDER = "fulfil_order"
    CLOSE_ORDER = "close_order"
    REFUND_ORDER = "refund_order"
    APPLY_KEY = "apply_key"
    RECHECK_KEY = "recheck_key"
    RESTORE_KEYS = "restore_keys"
    MOVE_KEYS = "move_keys"
    TELL_PAID = "tell_paid"
    TELL_READY = "tell_ready"
    TELL_HELD = "tell_held"
    TELL_REFUNDED = "tell_refunded"
    TELL_MOVED = "tell_moved"
    TELL_EXTRA = "tell_extra"
    TELL_REFUND_FAILED = "tell_refund_failed"
    TELL_REMINDER = "tell_reminder"
    ALERT = "alert"
    RECONCILE_SERVER = "reconcile_server"
    SWEEP = "sweep"
    EXPIRE = "expire"
    PROBE = "probe"
    RECONCILE = "reconcile"
    SETTLE = "settle"


DELAYS: Mapping[JobKind, timedelta] = MappingProxyType({JobKind.TELL_PAID: timedelta(seconds=3)})
"""Work that waits a moment before it is due: "your key is coming" is only worth saying if it did not come at once."""

SCHEDULES = frozenset({JobKind.SWEEP, JobKind.EXPIRE, JobKind.PROBE, JobKind.RECONCILE, JobKind.SETTLE})
"""Jobs that are never done, only due again; one row each, so that they fire once in any number of processes."""

EVERYTHING = UUID(int=0)
"""The subject of a schedule."""


class JobState(StrEnum):
    """Where a job stands; one that is done is gone."""

    READY = "ready"
    DEAD = "dead"
    """Tried too often; waits for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work on one subject, unique by (kind, subject, detail) while it is not done."""

    id: JobId
    kind: JobKind
    subject: UUID
    detail: str = ""
    """A code that tells jobs of one kind and subject apart; never a secret."""
    due: datetime
    revision: int = 1
    """Counts how often it was asked for; a finished job that was asked for again meanwhile is due again."""
    attempts: int = 0
    leased_until: datetime | None = None
    fence: int = 0
    """Counts claims: only the newest claim may finish it."""
    state: JobState = JobState.READY
    error: str = ""
    created_at: datetime

    @staticmethod
    def identify(kind: JobKind, subject: UUID, detail: str = "") -> JobId:
        """Return the id that makes asking twice the same as asking once."""
        return JobId(derive("job", kind, subject, detail))

    @classmethod
    def ask(
        cls, kind: JobKind, subject: UUID, now: datetime, *, detail: str = "", due: datetime | None = None
    ) -> "Job":
        """Make a job, due at once unless said otherwise."""
        return cls(
            id=cls.identify(kind, subject, detail),
            kind=kind,
            subject=subject,
            detail=detail,
            due=due or now,
            created_at=now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a queue carries of a job: enough to take it, and to know it by when it lies among the dead letters."""

    id: JobId
    fence: int
    """The fence that it was handed over with; whoever takes it makes that grow, so it is good for one taking."""
    lease: datetime
    """When that lease ends: a job that is done and asked for again counts its fences anew."""
    kind: JobKind
    subject: UUID
    detail: str = ""

    @classmethod
    def of(cls, job: Job) -> "Ticket":
        """Make the ticket of a job that was just handed over."""
        lease = job.leased_until or job.due
        return cls(id=job.id, fence=job.fence, lease=lease, kind=job.kind, subject=job.subject, detail=job.detail)


def backoff(attempts: int, spread: float, *, first: float = 1.0, most: float = 60.0) -> timedelta:
    """Return the wait before the next attempt: doubling, capped, with full jitter above a half.

    ``spread`` is a random number from 0 to 1, from the ids port.
    """
    ceiling = min(most, first * 2.0 ** min(attempts - 1, 16))
    return timedelta(seconds=ceiling * (0.5 + spread / 2))
