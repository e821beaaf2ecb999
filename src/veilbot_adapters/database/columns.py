"""Column types that come back as the values of the core, on both databases, and rules that both keep."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import JSON, CheckConstraint, DateTime, Dialect, Index, String, TypeDecorator, text
from sqlalchemy.dialects.postgresql import JSONB

E = TypeVar("E", bound=StrEnum)
_MOMENT = len("2026-11-20 12:00:00.000000")
_REMEMBERED = 8192

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
"""How indexes and rules are called that have no name of their own."""

Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A small JSON object; JSONB where there is one."""


def _aware(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError("a time in the database is aware; this one has no zone")
    return value.astimezone(UTC)


@lru_cache(maxsize=256)  # a unit of work writes the same moment many times
def _to_text(value: datetime | None) -> str | None:
    value = _aware(value)
    return None if value is None else value.isoformat(" ", "microseconds")[:_MOMENT]


# A purchase reads the same ids and times again and again: what was read before is not read anew.
@lru_cache(maxsize=_REMEMBERED)
def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(f"{value}+00:00")


@lru_cache(maxsize=_REMEMBERED)
def read_id(value: str | None) -> UUID | None:
    """Return an id that SQLite keeps as 32 hexadecimal digits."""
    return None if value is None else UUID(int=int(value, 16))


def write_document(value: object) -> str | None:
    """Return a document as SQLite keeps it, in a tenth of the time that the standard library takes."""
    return None if value is None else msgspec.json.encode(value, enc_hook=str).decode()


def read_document(text: str | None) -> Any:  # noqa: ANN401 - JSON
    """Return a document that SQLite keeps."""
    return None if text is None else msgspec.json.decode(text)


class Moment(TypeDecorator[datetime]):
    """A time: aware, in UTC, to the microsecond; a naive one is refused.

    SQLite keeps text of one length without a zone, so that comparing text compares times.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return how a value goes in."""
        return _to_text if dialect.name == "sqlite" else _aware

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return how a value comes out."""
        del coltype
        return _from_text if dialect.name == "sqlite" else _aware


class Word(TypeDecorator[E]):
    """A member of an enum, as its value."""

    impl = String(32)
    cache_ok = True

    def __init__(self, members: type[E]) -> None:
        super().__init__()
        self.members = members

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return how a member goes in."""
        del dialect
        return lambda member: None if member is None else str(member.value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return how a member comes out; a word that this version does not know is an error."""
        del dialect, coltype
        known: dict[str | None, E | None] = {None: None} | {member.value: member for member in self.members}
        return known.__getitem__


def one_of(column: str, members: Iterable[str]) -> CheckConstraint:
    """Allow a column the members of a closed enum."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(member)) for member in members)})", name=column)


def some(name: str, on: str, *columns: str, unique: bool = False) -> Index:
    """Make an index of those rows that somebody waits for, or looks for."""
    return Index(name, *columns, unique=unique, sqlite_where=text(on), postgresql_where=text(on))
