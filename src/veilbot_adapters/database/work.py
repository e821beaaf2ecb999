"""Facts on their way out, durable work, and answers given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, Update, bindparam, case, delete, insert, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from veilbot_adapters.database import rows, tables
from veilbot_adapters.database.pages import Pages
from veilbot_adapters.database.repository import Repository
from veilbot_adapters.database.statements import Statement, among, constant, insert_unknown
from veilbot_core.domain.errors import LeaseLost
from veilbot_core.domain.events import Event
from veilbot_core.domain.ids import EventId, JobId
from veilbot_core.domain.jobs import Job, JobKind, JobState, Ticket
from veilbot_core.ports import repositories as ports

_events, _jobs, _replies = tables.events, tables.jobs, tables.replies
_READY = _jobs.c.state == constant(JobState.READY)
_DEAD = _jobs.c.state == constant(JobState.DEAD)

_APPEND = Statement(insert(_events))
_WAITING = Statement(
    select(_events).where(_events.c.sent_at.is_(None)).order_by(_events.c.id).limit(bindparam("limit"))
)
_SENT = Statement(
    *(update(_events).where(some).values(sent_at=bindparam("now")) for some in among(_events.c.id, "ids"))
)


def _ask(insert_job: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    asked = insert_job.excluded
    return insert_job.on_conflict_do_update(
        index_elements=[_jobs.c.id],
        set_={
            "revision": _jobs.c.revision + 1,
            "due": case((asked.due < _jobs.c.due, asked.due), else_=_jobs.c.due),
            "attempts": case((_DEAD, 0), else_=_jobs.c.attempts),
            "state": constant(JobState.READY),
        },
    )


def _lease(*conditions: object, attempts: int) -> Update:
    """Lease the earliest due jobs; those that another transaction is leasing are passed over."""
    free = or_(_jobs.c.leased_until.is_(None), _jobs.c.leased_until <= bindparam("now"))
    due: Select[tuple[object]] = (
        select(_jobs.c.id)
        .where(_READY, _jobs.c.due <= bindparam("now"), free, *conditions)  # type: ignore[arg-type]
        .order_by(_jobs.c.due, _jobs.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
    # The locking select stands in a CTE, which is read once: the planner may run a subquery again for every row.
    picked = due.cte("picked")
    return (
        update(_jobs)
        .where(_jobs.c.id == picked.c.id)
        .values(leased_until=bindparam("until"), attempts=_jobs.c.attempts + attempts, fence=_jobs.c.fence + 1)
        .returning(*_jobs.c)
    )


# A job that is done and asked for again counts its fences anew: of two claims with one fence, the leases differ.
_OURS = (_jobs.c.id == bindparam("id"), _jobs.c.fence == bindparam("claim"), _jobs.c.leased_until == bindparam("lease"))
_ASK = Statement(_ask(sqlite.insert(_jobs)), _ask(postgresql.insert(_jobs)))
_ENSURE = insert_unknown(_jobs)
_CLAIM = Statement(_lease(attempts=1))
_CLAIM_KINDS = Statement(*(_lease(some, attempts=1) for some in among(_jobs.c.kind, "kinds")))
_HAND_OVER = Statement(_lease(attempts=0))
_TAKE = Statement(
    update(_jobs)
    .where(*_OURS)
    .values(leased_until=bindparam("until"), attempts=_jobs.c.attempts + 1, fence=_jobs.c.fence + 1)
    .returning(*_jobs.c)
)
_FINISH = Statement(delete(_jobs).where(*_OURS, _jobs.c.revision == bindparam("revision")))
_FREE = Statement(update(_jobs).where(*_OURS).values(leased_until=null(), attempts=0))
_SAME = _jobs.c.revision == bindparam("asked")
_POSTPONE = Statement(
    update(_jobs)
    .where(*_OURS, _SAME)
    .values(due=bindparam("due"), attempts=bindparam("attempts"), error=bindparam("error"), leased_until=null())
)
_AGAIN = Statement(
    update(_jobs).where(*_OURS).values(attempts=bindparam("attempts"), error=bindparam("error"), leased_until=null())
)
_BURY = Statement(
    update(_jobs)
    .where(*_OURS, _SAME)
    .values(state=constant(JobState.DEAD), error=bindparam("error"), leased_until=null())
)
_WITHDRAW = Statement(delete(_jobs).where(_jobs.c.id == bindparam("id"), _jobs.c.leased_until.is_(None)))
_GET_JOB = Statement(select(_jobs).where(_jobs.c.id == bindparam("id")))
_DEAD_JOBS = Pages(_jobs, _DEAD, ascending=True)
_NEXT_DUE = Statement(select(_jobs.c.due).where(_READY, _jobs.c.leased_until.is_(None)).order_by(_jobs.c.due).limit(1))


def _begin(insert_reply: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = insert_reply.excluded
    return insert_reply.on_conflict_do_update(
        index_elements=[_replies.c.key],
        set_={"fingerprint": new.fingerprint, "opened_at": new.opened_at, "until": new.until},
        where=_replies.c.status.is_(None)
        & (_replies.c.until <= new.opened_at)
        & (_replies.c.made.is_(None) | (_replies.c.fingerprint == new.fingerprint)),
    )


_REPLY = _replies.c.key == bindparam("id")
_BEGIN = Statement(_begin(sqlite.insert(_replies)), _begin(postgresql.insert(_replies)))
_GET_REPLY = Statement(select(_replies.c.fingerprint, _replies.c.status, _replies.c.body).where(_REPLY))
_ANSWER = Statement(update(_replies).where(_REPLY).values(status=bindparam("status"), body=bindparam("body")))
_MADE = Statement(update(_replies).where(_REPLY, _replies.c.made.is_(None)).values(made=bindparam("made")))
_GET_MADE = Statement(select(_replies.c.made).where(_REPLY))
_RELEASE = Statement(update(_replies).where(_REPLY, _replies.c.status.is_(None)).values(until=_replies.c.opened_at))
_PURGE = Statement(
    delete(_replies).where(
        _replies.c.key.in_(
            select(_replies.c.key)
            .where(_replies.c.opened_at < bindparam("before"))
            .order_by(_replies.c.opened_at)
            .limit(bindparam("limit"))
        )
    )
)


class Outbox(Repository, ports.Outbox):
    """Facts on their way out."""

    __slots__ = ()

    def append(self, *events: Event) -> None:
        """Insert."""
        self._session.put_many(_APPEND, [rows.from_event(event) for event in events])

    def waiting(self, limit: int) -> Sequence[Event]:
        """Return facts that no bus confirmed yet, oldest first."""
        return [rows.to_event(row) for row in self._session.all(_WAITING, {"limit": limit})]

    def sent(self, event_ids: Iterable[EventId], at: datetime) -> None:
        """Remember that a bus confirmed them."""
        self._session.put(_SENT, {"ids": self._session.listed(event_ids), "now": at})


class Jobs(Repository, ports.Jobs):
    """Durable work: claimed with a lease, finished with a fence."""

    __slots__ = ()

    def ask(self, *jobs: Job) -> None:
        """Insert; a job that is there is asked for again: ``revision`` grows, the earlier ``due`` wins, dead is ready.

        A dead job that is asked for again also starts counting its attempts anew.
        """
        if jobs:
            self._session.put_many(_ASK, [rows.from_job(job) for job in jobs])
            self._session.asked = True

    def ensure(self, job: Job) -> bool:
        """Insert unless one is there, ready or dead; say whether it was new."""
        new = self._session.change(_ENSURE, rows.from_job(job)) == 1
        self._session.asked = self._session.asked or new
        return new

    def claim(self, now: datetime, until: datetime, limit: int, kinds: Iterable[JobKind] = ()) -> Sequence[Job]:
        """Lease up to ``limit`` due jobs (of ``kinds``, or of any) until ``until``; attempts and fence grow."""
        wanted = list(kinds)
        values = {"now": now, "until": until, "limit": limit, "kinds": self._session.listed(wanted)}
        return self._leased(_CLAIM_KINDS if wanted else _CLAIM, values)

    def hand_over(self, now: datetime, until: datetime, limit: int) -> Sequence[Job]:
        """Lease up to ``limit`` due jobs until ``until`` to whoever takes them; the fence grows, attempts do not."""
        return self._leased(_HAND_OVER, {"now": now, "until": until, "limit": limit})

    def take(self, ticket: Ticket, until: datetime) -> Job | None:
        """Claim a job that was handed over, until ``until``; attempts and fence grow.

        None when the ticket is good no more: it was taken before, or its lease ended and somebody else has the job.
        """
        row = self._session.first(
            _TAKE, {"id": ticket.id, "claim": ticket.fence, "lease": ticket.lease, "until": until}
        )
        return None if row is None else rows.to_job(row)

    def finish(self, job: Job) -> None:
        """Remove a claimed job, or free it when it was asked for again. Raises LeaseLost."""
        mine = {"id": job.id, "claim": job.fence, "lease": job.leased_until, "revision": job.revision}

        def free() -> None:
            if not self._session.change(_FREE, mine):
                raise LeaseLost

        self._session.put(_FINISH, mine, free)

    def postpone(self, job: Job, due: datetime, error: str, *, keep_attempts: bool = True) -> None:
        """Give a claimed job back for later; ``keep_attempts=False`` starts counting anew. Raises LeaseLost.

        One that was asked for again meanwhile keeps the earlier time.
        """
        attempts = job.attempts if keep_attempts else 0
        self._end(_POSTPONE, replace(job, due=due, attempts=attempts, error=error))

    def bury(self, job: Job, error: str) -> None:
        """Mark a claimed job dead, or free it when it was asked for again. Raises LeaseLost."""
        self._end(_BURY, replace(job, attempts=0, error=error))

    def withdraw(self, job_id: JobId) -> None:
        """Remove a job that nobody works at; one that is claimed goes on."""
        self._session.put(_WITHDRAW, {"id": job_id})

    def find(self, job_id: JobId) -> Job | None:
        """Return a job, ready or dead; None for one that is done."""
        row = self._session.first(_GET_JOB, {"id": job_id})
        return None if row is None else rows.to_job(row)

    def dead(self, *, limit: int, after: JobId | None = None) -> Sequence[Job]:
        """Return dead jobs by id, ascending."""
        return [rows.to_job(row) for row in _DEAD_JOBS.rows(self._session, limit, after)]

    def next_due(self) -> datetime | None:
        """Return when the earliest ready job without a lease is due."""
        row = self._session.first(_NEXT_DUE, {})
        return None if row is None else row.due

    def _leased(self, statement: Statement, values: Mapping[str, object]) -> Sequence[Job]:
        found = [rows.to_job(row) for row in self._session.all(statement, values)]
        return sorted(found, key=lambda job: (job.due, job.id))

    def _end(self, statement: Statement, job: Job) -> None:
        values = rows.from_job(job) | {"claim": job.fence, "lease": job.leased_until, "asked": job.revision}
        if not self._session.change(statement, values):
            if not self._session.change(_AGAIN, values):
                raise LeaseLost
            self._session.asked = True


class Replies(Repository, ports.Replies):
    """Answers to requests that carried an idempotency key."""

    __slots__ = ()

    def begin(self, key: UUID, fingerprint: str, now: datetime, until: datetime) -> Mapping[str, object] | None:
        """Open a request until ``until``; None when it is new, or unanswered and its time ran out.

        Otherwise the row: ``fingerprint`` and, once it is answered, ``status`` and ``body`` (None before). Once a
        request has made something, another fingerprint opens it no more.
        """
        opened = {"key": key, "fingerprint": fingerprint, "opened_at": now, "until": until}
        if self._session.change(_BEGIN, opened | {"status": None, "body": None, "made": None}):
            return None
        row = self._get(_GET_REPLY, {"id": key})
        return {"fingerprint": row.fingerprint, "status": row.status, "body": row.body}

    def answer(self, key: UUID, status: int, body: bytes) -> None:
        """Remember the answer."""
        self._session.put(_ANSWER, {"id": key, "status": status, "body": body})

    def made(self, key: UUID, thing: UUID) -> UUID | None:
        """Remember, beside its effect, what a request makes; return what it has made before, if it has.

        Nothing is remembered of a request that is not open, which carried no idempotency key.
        """
        if self._session.change(_MADE, {"id": key, "made": thing}):
            return None
        row = self._session.first(_GET_MADE, {"id": key})
        return None if row is None else row.made

    def release(self, key: UUID) -> None:
        """Let an unanswered request be made again at once; what it made stays remembered."""
        self._session.put(_RELEASE, {"id": key})

    def purge(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` rows opened before ``before``; return how many."""
        return self._session.change(_PURGE, {"before": before, "limit": limit})
