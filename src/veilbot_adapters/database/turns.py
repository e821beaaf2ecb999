"""Whose turn it is among the messages of one sender."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Update, bindparam, case, delete, exists, func, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from veilbot_adapters.database import tables
from veilbot_adapters.database.repository import Repository
from veilbot_adapters.database.statements import Statement, constant
from veilbot_core.domain.turn import Turn
from veilbot_core.ports import repositories as ports

_turns = tables.turns
_LOCKS = 0x7475726E << 32  # "turn": above every number of a sender, so that it is nobody else's advisory lock
_THIS = _turns.c.number == bindparam("id")
_LIVE = _turns.c.state != constant(Turn.OVER)
_MINE = (_THIS, _turns.c.holder == bindparam("by"), _LIVE)


def _arrive(insert_turn: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    """Insert, renew one's own, or take over what its holder left behind."""
    new = insert_turn.excluded
    same = _turns.c.holder == new.holder
    return insert_turn.on_conflict_do_update(
        index_elements=[_turns.c.number],
        set_={
            "holder": new.holder,
            "until": new.until,
            "state": case((same, _turns.c.state), else_=constant(Turn.WAITING)),
        },
        where=_LIVE & or_(same, _turns.c.until <= bindparam("now", type_=_turns.c.until.type)),
    )


def _begin() -> Update:
    """Begin, unless somebody in the lane has begun or has a lower number."""
    other = _turns.alias("other")
    before = exists(literal_column("1")).where(
        other.c.lane == bindparam("lane"),
        other.c.state != constant(Turn.OVER),
        other.c.until > bindparam("now"),
        other.c.number != bindparam("id"),
        or_(other.c.state == constant(Turn.BEGUN), other.c.number < bindparam("id")),
    )
    return update(_turns).where(_THIS, ~before).values(state=constant(Turn.BEGUN))


_LOCK = Statement(select(func.pg_advisory_xact_lock(bindparam("lock", type_=_turns.c.lane.type))))
_ARRIVE = Statement(_arrive(sqlite.insert(_turns)), _arrive(postgresql.insert(_turns)))
_STATE = Statement(select(_turns.c.state).where(_THIS))
_BEGIN = Statement(_begin())
_RENEW = Statement(update(_turns).where(*_MINE).values(until=bindparam("end")))
_END = Statement(update(_turns).where(*_MINE).values(until=bindparam("end"), state=constant(Turn.OVER)))
_LEAVE = Statement(delete(_turns).where(*_MINE))
_PURGE = Statement(
    delete(_turns).where(
        _turns.c.number.in_(
            select(_turns.c.number)
            .where(_turns.c.until < bindparam("before"))
            .order_by(_turns.c.until)
            .limit(bindparam("limit"))
        )
    )
)


class Turns(Repository, ports.Turns):
    """Messages by number, and by lane while they are not over."""

    __slots__ = ()

    def take(self, number: int, lane: int, holder: UUID, now: datetime, until: datetime) -> Turn:
        """Ask for the turn of a message."""
        if self._session.postgres:  # one at a time in a lane; SQLite has one writer anyway
            self._session.first(_LOCK, {"lock": lane ^ _LOCKS})
        row = {"number": number, "lane": lane, "holder": holder, "until": until, "state": Turn.WAITING}
        if not self._session.change(_ARRIVE, row | {"now": now}):
            over = self._get(_STATE, {"id": number}).state is Turn.OVER
            return Turn.OVER if over else Turn.WAITING
        begun = self._session.change(_BEGIN, {"id": number, "lane": lane, "now": now})
        return Turn.BEGUN if begun else Turn.WAITING

    def renew(self, number: int, holder: UUID, until: datetime) -> None:
        """Move the end of the holder's time."""
        self._session.put(_RENEW, {"id": number, "by": holder, "end": until})

    def end(self, number: int, holder: UUID, now: datetime) -> None:
        """Mark it over."""
        self._session.put(_END, {"id": number, "by": holder, "end": now})

    def leave(self, number: int, holder: UUID) -> None:
        """Delete it."""
        self._session.put(_LEAVE, {"id": number, "by": holder})

    def purge(self, before: datetime, limit: int) -> int:
        """Delete the oldest."""
        return self._session.change(_PURGE, {"before": before, "limit": limit})
