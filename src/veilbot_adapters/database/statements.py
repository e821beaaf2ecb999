"""Statements that are built and compiled once, and run on the bare driver.

SQLAlchemy Core writes the SQL and converts the values. Executing through its `Connection` would cost several times as
much as SQLite needs for the statement itself, so the compiled text goes to the DBAPI cursor directly.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import (
    JSON,
    ClauseElement,
    ColumnElement,
    Dialect,
    Select,
    Table,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from veilbot_adapters.database.columns import read_document, read_id, write_document

Values = Mapping[str, Any]
Convert = Callable[[Any], Any] | None


class Row(Protocol):
    """One row; its columns are its attributes."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a column of any type
        """Return a column."""


class Prepared:
    """One statement as text, with the ways in and out for its values."""

    def __init__(self, core: ClauseElement, dialect: Dialect) -> None:
        compiled = core.compile(dialect=dialect)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError("only statements that compile to SQL can be run")
        self.sql = str(compiled)
        written = getattr(core, "table", None)
        self.writes: str | None = None if written is None else written.name
        """The table that it changes."""
        self.tables = _tables(core)
        """The tables that it looks at, those included to which the rows that it writes refer."""
        names = compiled.positiontup or ()
        self._constants = {name: value for name in names if (value := compiled.params[name]) is not None}
        self._pick = _picker(names)
        self._ways_in = _numbered(_way_in(compiled.binds[name].type, dialect) for name in names)
        columns = getattr(core, "exported_columns", ())
        self._ways_out = _numbered(_way_out(column.type, dialect) for column in columns)
        self._make = _row_type([column.key for column in columns])

    def parameters(self, values: Values) -> list[Any]:
        """Return the values in the order of the text; what is not given is a constant of the statement."""
        given = list(self._pick({**self._constants, **values} if self._constants else values))
        for place, convert in self._ways_in:
            given[place] = convert(given[place])
        return given

    def row(self, raw: Any) -> Row:  # noqa: ANN401 - whatever the driver calls a row
        """Return a raw row with its values converted."""
        found = list(raw)
        for place, convert in self._ways_out:
            found[place] = convert(found[place])
        return self._make(found)


def _tables(core: ClauseElement) -> frozenset[str]:
    found = {element for element in visitors.iterate(core) if isinstance(element, Table)}
    written = getattr(core, "table", None)
    if isinstance(written, Table):
        found |= {written} | {key.column.table for key in written.foreign_keys}
    return frozenset(table.name for table in found)


def _picker(names: Sequence[str]) -> Callable[[Values], Iterable[Any]]:
    """Return what picks the values of some names, in their order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


def _numbered(ways: Iterable[Convert]) -> list[tuple[int, Callable[[Any], Any]]]:
    """Return the conversions that there are, each with its place."""
    return [(place, way) for place, way in enumerate(ways) if way is not None]


def _row_type(names: list[str]) -> Callable[[Any], Row]:
    make: Callable[[Any], Row] = namedtuple("Row", names, rename=True)._make  # type: ignore[attr-defined] # noqa: PYI024
    return make


def _way_in(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, JSON):
        return write_document
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _way_out(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, Uuid) and dialect.name == "sqlite":
        return read_id
    if isinstance(kind, JSON):
        return read_document
    return kind.dialect_impl(dialect).result_processor(dialect, None)


class Statement:
    """A statement for both databases, or one for each where they differ."""

    def __init__(self, sqlite: ClauseElement, postgresql: ClauseElement | None = None) -> None:
        self._core = {"sqlite": sqlite, "postgresql": sqlite if postgresql is None else postgresql}
        self._prepared: dict[str, Prepared] = {}

    def prepared(self, dialect: Dialect) -> Prepared:
        """Return it compiled for a database."""
        prepared = self._prepared.get(dialect.name)
        if prepared is None:
            prepared = self._prepared[dialect.name] = Prepared(self._core[dialect.name], dialect)
        return prepared


def constant(value: str) -> ColumnElement[Any]:
    """Return a word of ours inside the text, where a partial index must recognise it."""
    return literal_column(f"'{value}'")


def by_id(table: Table) -> Statement:
    """Read one row by its id."""
    return Statement(_by_id(table))


def lock_by_id(table: Table) -> Statement:
    """Read one row by its id and keep others from changing it.

    Not the strongest lock: rows that refer to this one may still be inserted meanwhile. SQLite has one writer anyway.
    """
    return Statement(_by_id(table).with_for_update(key_share=True))


def _by_id(table: Table) -> Select[Any]:
    return select(table).where(table.c.id == bindparam("id"))


def insert_unknown(table: Table) -> Statement:
    """Insert a row unless it breaks a unique rule, without an error, so that the transaction lives on."""
    return Statement(sqlite.insert(table).on_conflict_do_nothing(), postgresql.insert(table).on_conflict_do_nothing())


def update_row(table: Table, *, but: frozenset[str] = frozenset()) -> Statement:
    """Write all columns of a row, ``but`` some; id and time of birth never change."""
    names = [column.name for column in table.c if column.name not in {"id", "created_at", *but}]
    return Statement(
        update(table).where(table.c.id == bindparam("id")).values({name: bindparam(name) for name in names})
    )


def among(column: ColumnElement[Any], name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Say that a column is one of many given values, for SQLite and for Postgres, as one parameter of any length.

    The values are ids or words. SQLite gets a JSON list of them, see `listed`.
    """
    each = func.json_each(bindparam(name)).table_valued("value")
    array = bindparam(name, type_=postgresql.ARRAY(column.type))
    return column.in_(select(each.c.value)), column == func.any(array)
