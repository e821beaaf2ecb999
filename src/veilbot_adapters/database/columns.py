"""Column types that come back as the values of the core, on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import JSON, DateTime, Dialect, String, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB

E = TypeVar("E", bound=StrEnum)
_MOMENT = len("2026-11-20 12:00:00.000000")
_REMEMBERED = 8192

Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A small JSON object; JSONB where there is one."""


def _aware(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError("a time in the database is aware; this one has no zone")
    return value.astimezone(UTC)


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
