"""Whose turn it is, in memory."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from veilbot_adapters.memory.tables import Index, Journal, Table
from veilbot_core.domain.turn import Turn
from veilbot_core.ports import repositories as port


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    lane: int
    holder: UUID
    until: datetime
    state: Turn = Turn.WAITING


class MemoryTurns(port.Turns):
    """Messages by number, and by lane while they are not over."""

    def __init__(self, journal: Journal) -> None:
        self._by_age = Index[_Message](lambda _: 0, lambda message: (message.until,))
        self._by_lane = Index[_Message](lambda message: None if message.state is Turn.OVER else message.lane)
        self._table = Table(journal, indexes=[self._by_age, self._by_lane])

    def take(self, number: int, lane: int, holder: UUID, now: datetime, until: datetime) -> Turn:
        """Insert, renew or take over; begin unless somebody in the lane goes before."""
        known = self._table.rows.get(number)
        fresh = _Message(lane=lane, holder=holder, until=until)
        if known is None:
            self._table.insert(number, fresh)
        elif known.state is Turn.OVER:
            return Turn.OVER
        elif known.holder == holder:
            self._table.update(number, replace(known, until=until))
        elif known.until <= now:
            self._table.update(number, fresh)
        else:
            return Turn.WAITING
        if any(self._goes_before(entry[-1], number, now) for entry in self._by_lane.up(lane)):
            return Turn.WAITING
        self._table.update(number, replace(self._table.get(number), state=Turn.BEGUN))
        return Turn.BEGUN

    def renew(self, number: int, holder: UUID, until: datetime) -> None:
        """Move the end of the holder's time."""
        if (known := self._mine(number, holder)) is not None:
            self._table.update(number, replace(known, until=until))

    def end(self, number: int, holder: UUID, now: datetime) -> None:
        """Mark it over."""
        if (known := self._mine(number, holder)) is not None:
            self._table.update(number, replace(known, until=now, state=Turn.OVER))

    def leave(self, number: int, holder: UUID) -> None:
        """Delete it."""
        if self._mine(number, holder) is not None:
            self._table.delete(number)

    def purge(self, before: datetime, limit: int) -> int:
        """Delete the oldest."""
        old = [entry for entry, _ in zip(self._by_age.up(), range(limit), strict=False) if entry[0] < before]
        for entry in old:
            self._table.delete(entry[-1])
        return len(old)

    def _mine(self, number: int, holder: UUID) -> _Message | None:
        known = self._table.rows.get(number)
        return known if known is not None and known.holder == holder and known.state is not Turn.OVER else None

    def _goes_before(self, other: int, number: int, now: datetime) -> bool:
        message = self._table.get(other)
        return other != number and message.until > now and (message.state is Turn.BEGUN or other < number)
