"""A session that waits with what it writes, so that a server far away is asked less often.

Writes of which nobody needs to know the outcome at once go to the server together, as parts of one statement (WITH w0
AS (INSERT ..), w1 AS (UPDATE ..) SELECT ..): before a statement that looks at their tables, with the next write whose
outcome is needed, and at the latest when the unit of work ends.

PostgreSQL runs the parts of such a statement on one snapshot and in no promised order, so no two of them may touch one
row; foreign keys are looked at when all are done (postgresql.org/docs, "Data-Modifying Statements in WITH").
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Dialect

from veilbot_adapters.database.session import Cursor, Session, translated
from veilbot_adapters.database.statements import Prepared, Statement, Values

_FEW = 4
"""Rows of one kind that are worth parts of their own; more are written by one statement in one go."""
_MOST = 16
"""Parts of one statement."""
_PLACE = re.compile(r"\$(\d+)")


class Far(Cursor, Protocol):
    """A cursor that begins its transaction with its first statement."""

    begun: bool

    def execute_alone(self, operation: str, parameters: Sequence[Any], /) -> None:
        """Run a statement that is a transaction of its own, if the cursor may write."""


class _Part(NamedTuple):
    prepared: Prepared
    parameters: list[Any]
    row: object
    missed: Callable[[], object] | None


class GatheringSession(Session):
    """Keeps writes until somebody must know."""

    def __init__(self, cursor: Far, dialect: Dialect, broken_rule: type[Exception]) -> None:
        super().__init__(cursor, dialect, broken_rule)
        self._far = cursor
        self._parts: list[_Part] = []

    def put(self, statement: Statement, values: Values, missed: Callable[[], object] | None = None) -> None:
        """Write at the latest at the end; ``missed`` is called then if no row was touched."""
        self._gather(_part(statement.prepared(self._dialect), values, missed))

    def put_many(self, statement: Statement, rows: Sequence[Values]) -> None:
        """Write once per row."""
        if len(rows) > _FEW:
            self.change_many(statement, rows)
            return
        for row in sorted(rows, key=lambda row: row["id"]):
            self.put(statement, row)

    def change(self, statement: Statement, values: Values) -> int:
        """Write, with what waits; return how many rows it touched."""
        part = _part(statement.prepared(self._dialect), values, None)
        self._gather(part)
        return self._send()[-1]

    def change_many(self, statement: Statement, rows: Sequence[Values]) -> int:
        """Write once per row, in one call."""
        self._send()
        return super().change_many(statement, rows)

    def begin(self) -> None:
        """Forget what a unit of work before this one left behind."""
        self.asked = False
        self._parts.clear()

    def end(self) -> None:
        """Write what waits still; a statement that is all there is needs no transaction around it."""
        checked = any(part.missed for part in self._parts)
        self._send(alone=not self._far.begun and (len(self._parts) == 1 or not checked))

    def _gather(self, part: _Part) -> None:
        """Let a write wait, apart from one of the same row, and from one of the same table that tells no row."""
        for other in self._parts:
            if other.prepared.writes == part.prepared.writes and (
                None in (other.row, part.row) or other.row == part.row
            ):
                self._send()
                break
        else:
            if len(self._parts) >= _MOST:
                self._send()
        self._parts.append(part)

    def _run(self, statement: Statement, values: Values) -> Prepared:
        prepared = statement.prepared(self._dialect)
        if any(part.prepared.writes in prepared.tables for part in self._parts):
            self._send()
        return super()._run(statement, values)

    def _send(self, *, alone: bool = False) -> list[int]:
        """Write what waits; return how many rows each part touched."""
        parts, self._parts = self._parts, []
        if not parts:
            return []
        run = self._far.execute_alone if alone else self._far.execute
        sql = _together(tuple(part.prepared.sql for part in parts))
        try:
            run(sql, [value for part in parts for value in part.parameters])
        except self._error as error:
            raise translated(error) from error
        counts = list(self._far.fetchone()) if len(parts) > 1 else [self._far.rowcount]
        for part, count in zip(parts, counts, strict=True):
            if not count and part.missed is not None:
                part.missed()
        return counts


def _part(prepared: Prepared, values: Values, missed: Callable[[], object] | None) -> _Part:
    return _Part(prepared, prepared.parameters(values), values.get("id"), missed)


@lru_cache(maxsize=512)
def _together(texts: tuple[str, ...]) -> str:
    """Make one statement of several, which tells how many rows each of them touched."""
    if len(texts) == 1:
        return texts[0]
    starts = [0, *accumulate(max(map(int, _PLACE.findall(text)), default=0) for text in texts)]
    parts = [f"w{n} AS ({_shifted(text, starts[n])} RETURNING 1)" for n, text in enumerate(texts)]
    counts = [f"(SELECT count(*) FROM w{n})" for n in range(len(texts))]  # noqa: S608 - numbers of ours
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"


def _shifted(text: str, start: int) -> str:
    return _PLACE.sub(lambda place: f"${int(place[1]) + start}", text)
