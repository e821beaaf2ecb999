"""Facts on their way out, durable work, remembered answers, and turns."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from veilbot_core.domain.events import Event
from veilbot_core.domain.ids import EventId, JobId
from veilbot_core.domain.jobs import Job, JobKind, Ticket
from veilbot_core.domain.turn import Turn


@runtime_checkable
class Outbox(Protocol):
    """Facts on their way out."""

    @abstractmethod
    def append(self, *events: Event) -> None:
        """Insert."""

    @abstractmethod
    def waiting(self, limit: int) -> Sequence[Event]:
        """Return facts that no bus confirmed yet, oldest first."""

    @abstractmethod
    def sent(self, event_ids: Iterable[EventId], at: datetime) -> None:
        """Remember that a bus confirmed them."""


@runtime_checkable
class Jobs(Protocol):
    """Durable work: claimed with a lease, finished with a fence."""

    @abstractmethod
    def ask(self, *jobs: Job) -> None:
        """Insert; a job that is there is asked for again: ``revision`` grows, the earlier ``due`` wins, dead is ready.

        A dead job that is asked for again also starts counting its attempts anew.
        """

    @abstractmethod
    def ensure(self, job: Job) -> bool:
        """Insert unless one is there, ready or dead; say whether it was new."""

    @abstractmethod
    def claim(self, now: datetime, until: datetime, limit: int, kinds: Iterable[JobKind] = ()) -> Sequence[Job]:
        """Lease up to ``limit`` due jobs (of ``kinds``, or of any) until ``until``; attempts and fence grow."""

    @abstractmethod
    def hand_over(self, now: datetime, until: datetime, limit: int) -> Sequence[Job]:
        """Lease up to ``limit`` due jobs until ``until`` to whoever takes them; the fence grows, attempts do not."""

    @abstractmethod
    def take(self, ticket: Ticket, until: datetime) -> Job | None:
        """Claim a job that was handed over, until ``until``; attempts and fence grow.

        None when the ticket is good no more: it was taken before, or its lease ended and somebody else has the job.
        """

    @abstractmethod
    def finish(self, job: Job) -> None:
        """Remove a claimed job, or free it when it was asked for again. Raises LeaseLost."""

    @abstractmethod
    def postpone(self, job: Job, due: datetime, error: str, *, keep_attempts: bool = True) -> None:
        """Give a claimed job back for later; ``keep_attempts=False`` starts counting anew. Raises LeaseLost.

        Its attempts are then those of ``job``, so that one can be taken back that was none. One that was asked for
        again meanwhile keeps the earlier time.
        """

    @abstractmethod
    def bury(self, job: Job, error: str) -> None:
        """Mark a claimed job dead, or free it when it was asked for again. Raises LeaseLost."""

    @abstractmethod
    def withdraw(self, job_id: JobId) -> None:
        """Remove a job that nobody works at; one that is claimed goes on."""

    @abstractmethod
    def find(self, job_id: JobId) -> Job | None:
        """Return a job, ready or dead; None for one that is done."""

    @abstractmethod
    def dead(self, *, limit: int, after: JobId | None = None) -> Sequence[Job]:
        """Return dead jobs by id, ascending."""

    @abstractmethod
    def next_due(self) -> datetime | None:
        """Return when the earliest ready job without a lease is due."""


@runtime_checkable
class Replies(Protocol):
    """Answers to requests that carried an idempotency key."""

    @abstractmethod
    def begin(self, key: UUID, fingerprint: str, now: datetime, until: datetime) -> Mapping[str, object] | None:
        """Open a request until ``until``; None when it is new, or unanswered and its time ran out.

        Otherwise the row: ``fingerprint`` and, once it is answered, ``status`` and ``body`` (None before). Once a
        request has made something, another fingerprint opens it no more.
        """

    @abstractmethod
    def answer(self, key: UUID, status: int, body: bytes) -> None:
        """Remember the answer."""

    @abstractmethod
    def made(self, key: UUID, thing: UUID) -> UUID | None:
        """Remember, beside its effect, what a request makes; return what it has made before, if it has.

        Nothing is remembered of a request that is not open, which carried no idempotency key.
        """

    @abstractmethod
    def release(self, key: UUID) -> None:
        """Let an unanswered request be made again at once; what it made stays remembered."""

    @abstractmethod
    def purge(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` rows opened before ``before``; return how many."""


@runtime_checkable
class Turns(Protocol):
    """Messages in lanes, one lane per sender: each is answered once, one after the other, the lowest number first.

    Who answers holds the message until a time and renews that; what a holder who died left behind is taken over.
    """

    @abstractmethod
    def take(self, number: int, lane: int, holder: UUID, now: datetime, until: datetime) -> Turn:
        """Ask for a message's turn, and hold its place until ``until``; ask again while it is WAITING.

        It has BEGUN when nobody in the lane has and no lower number waits. It is WAITING, too, while another
        ``holder`` has this very message, which came twice. It is OVER when it has been answered.
        """

    @abstractmethod
    def renew(self, number: int, holder: UUID, until: datetime) -> None:
        """Hold it longer; nothing happens when another holder has it."""

    @abstractmethod
    def end(self, number: int, holder: UUID, now: datetime) -> None:
        """Remember that it was answered; the lane is free."""

    @abstractmethod
    def leave(self, number: int, holder: UUID) -> None:
        """Forget it unanswered; when it comes again, it is new."""

    @abstractmethod
    def purge(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` messages held or ended before ``before``; return how many."""
