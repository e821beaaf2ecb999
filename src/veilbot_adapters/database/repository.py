"""What every repository stands on."""

from collections.abc import Sequence
from typing import NoReturn

from veilbot_adapters.database.session import Session
from veilbot_adapters.database.statements import Row, Statement, Values
from veilbot_core.domain.errors import AlreadyExists, NotFound


class Repository:
    """Runs its statements in the transaction of its session."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def _get(self, statement: Statement, values: Values) -> Row:
        row = self._session.first(statement, values)
        if row is None:
            raise NotFound
        return row

    def _add(self, statement: Statement, values: Values) -> None:
        if not self._session.change(statement, values):
            raise AlreadyExists

    def _save(self, statement: Statement, values: Values) -> None:
        """Write a changed row; that it is not there is perhaps only seen at the end of the unit of work."""
        self._session.put(statement, values, _not_found)

    def _save_many(self, statement: Statement, count: Statement, rows: Sequence[Values]) -> None:
        """Write changed rows, all or none; ``count`` says how many of some ids there are."""
        if len(rows) == 1:
            self._save(statement, rows[0])
            return
        touched = self._session.change_many(statement, rows)
        if touched < 0:
            touched = self._get(count, {"ids": self._session.listed({row["id"] for row in rows})}).found
        if touched < len(rows):
            raise NotFound


def _not_found() -> NoReturn:
    raise NotFound
