"""Pages by key: each costs as much as its rows, however far it is from the first."""

from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, select

from veilbot_adapters.database.session import Session
from veilbot_adapters.database.statements import Row, Statement


class Pages:
    """Pages of a table in the order of its ids, of all rows or of those with certain values."""

    def __init__(self, table: Table, *only: ColumnElement[bool], ascending: bool = False) -> None:
        self._table = table
        self._only = only
        self._ascending = ascending
        self._statements: dict[tuple[str, ...], Statement] = {}

    def rows(self, session: Session, limit: int, after: object, **wanted: object) -> list[Row]:
        """Return up to ``limit`` rows behind the id ``after``; a wanted value of None is no condition."""
        values = {name: value for name, value in wanted.items() if value is not None}
        if after is not None:
            values["after"] = after
        names = tuple(values)
        statement = self._statements.get(names)
        if statement is None:
            statement = self._statements[names] = Statement(self._build(names))
        return session.all(statement, values | {"limit": limit})

    def _build(self, names: tuple[str, ...]) -> Any:  # noqa: ANN401 - a select of any row
        key = self._table.c.id
        beyond = key > bindparam("after") if self._ascending else key < bindparam("after")
        conditions = [beyond if name == "after" else self._table.c[name] == bindparam(name) for name in names]
        order = key if self._ascending else key.desc()
        return select(self._table).where(*self._only, *conditions).order_by(order).limit(bindparam("limit"))
