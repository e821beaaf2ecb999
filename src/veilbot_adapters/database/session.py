"""One transaction on a driver's connection: runs statements, and tells what went wrong in our words."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Dialect

from veilbot_adapters.database.statements import Prepared, Row, Statement, Values
from veilbot_core.domain.errors import AlreadyExists, Conflict


class Cursor(Protocol):
    """What we need of a DBAPI cursor."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched, or -1."""

    def execute(self, operation: str, parameters: Sequence[Any], /) -> object:
        """Run once."""

    def executemany(self, operation: str, parameters: Sequence[Sequence[Any]], /) -> object:
        """Run once per row."""

    def fetchone(self) -> Any:  # noqa: ANN401 - a driver's row
        """Return the next row or None."""

    def fetchall(self) -> Sequence[Any]:
        """Return all rows."""


class Session:
    """Runs statements; the repositories share one."""

    def __init__(self, cursor: Cursor, dialect: Dialect, broken_rule: type[Exception]) -> None:
        """``broken_rule`` is what the driver raises when a row breaks a rule of the database."""
        self._cursor = cursor
        self._dialect = dialect
        self._error: type[Exception] = broken_rule
        self.postgres = dialect.name == "postgresql"
        self.asked = False
        """Whether work was asked for, so that the doorbell must ring after the commit."""

    def all(self, statement: Statement, values: Values) -> list[Row]:
        """Return every row."""
        prepared = self._run(statement, values)
        return [prepared.row(raw) for raw in self._cursor.fetchall()]

    def first(self, statement: Statement, values: Values) -> Row | None:
        """Return the first row or None."""
        prepared = self._run(statement, values)
        raw = self._cursor.fetchone()
        return None if raw is None else prepared.row(raw)

    def change(self, statement: Statement, values: Values) -> int:
        """Write; return how many rows it touched."""
        self._run(statement, values)
        return self._cursor.rowcount

    def put(self, statement: Statement, values: Values, missed: Callable[[], object] | None = None) -> None:
        """Write; nobody asks at once what became of it. ``missed`` is called if no row was touched."""
        if not self.change(statement, values) and missed is not None:
            missed()

    def put_many(self, statement: Statement, rows: Sequence[Values]) -> None:
        """Write once per row; nobody asks at once what became of it."""
        self.change_many(statement, rows)

    def change_many(self, statement: Statement, rows: Sequence[Values]) -> int:
        """Write once per row, in one call; return how many rows it touched, or -1 where the driver does not say.

        Rows are written in the order of their ids, so that two transactions do not wait for each other.
        """
        if len(rows) == 1:
            return self.change(statement, rows[0])
        if not rows:
            return 0
        prepared = statement.prepared(self._dialect)
        parameters = [prepared.parameters(row) for row in sorted(rows, key=lambda row: row["id"])]
        try:
            self._cursor.executemany(prepared.sql, parameters)
        except self._error as error:
            raise translated(error) from error
        return self._cursor.rowcount

    def listed(self, values: Iterable[UUID | str]) -> Any:  # noqa: ANN401 - a list, or a JSON list
        """Return many ids or words as the one parameter that `among` takes."""
        if self.postgres:
            return list(values)
        return json.dumps([value.hex if isinstance(value, UUID) else str(value) for value in values])

    def _run(self, statement: Statement, values: Values) -> Prepared:
        prepared = statement.prepared(self._dialect)
        try:
            self._cursor.execute(prepared.sql, prepared.parameters(values))
        except self._error as error:
            raise translated(error) from error
        return prepared


def translated(error: Exception) -> Conflict:
    """Say which rule of the database a statement broke; no value of the row is repeated."""
    state = getattr(error, "sqlstate", None)  # PostgreSQL, appendix A: 23505 is unique_violation
    name = getattr(error, "sqlite_errorname", "")
    if state == "23505" or name in {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}:
        return AlreadyExists()
    return Conflict("the row breaks a rule of the database")
