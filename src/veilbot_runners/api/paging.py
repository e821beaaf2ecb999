"""Pages by key: what a list answers with, and the cursor that leads on."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, Protocol, TypeVar
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Meta, Struct

from veilbot_core.domain.errors import InvalidInput

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many items at most.")]
After = Annotated[
    str | None,
    QueryParameter(max_length=64, description="The `next` of the page before."),
]


class Row(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> UUID:
        """What the cursor is made of."""


R = TypeVar("R", bound=Row)
V = TypeVar("V")


class Page(Struct, Generic[V], frozen=True):
    """Some items, and where to go on."""

    items: list[V]
    next: Annotated[str | None, Meta(description="Give it as `after` to get the next page; null on the last one.")] = (
        None
    )


def cursor(row_id: UUID) -> str:
    """Return the opaque name of a place in a list."""
    return base64.urlsafe_b64encode(row_id.bytes).rstrip(b"=").decode()


def place(after: str | None) -> UUID | None:
    """Read a cursor. Raises InvalidInput for anything that we did not write."""
    if after is None:
        return None
    try:
        found = UUID(bytes=base64.b64decode(after + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        found = None
    if found is None or cursor(found) != after:
        raise InvalidInput("this is no cursor; give the `next` of the page before", field="after")
    return found


async def paged(
    ask: Callable[[int, Any], Awaitable[Sequence[R]]], render: Callable[[R], V], limit: int, after: str | None
) -> Page[V]:
    """Ask for one row more than is shown, to know whether there is a next page."""
    return cut(await ask(limit + 1, place(after)), render, limit)


def shelf(rows: Iterable[R], render: Callable[[R], V], limit: int, after: str | None) -> Page[V]:
    """Page through what is few and was read whole, oldest first."""
    start = place(after)
    rest = [row for row in sorted(rows, key=lambda row: row.id) if start is None or row.id > start]
    return cut(rest[: limit + 1], render, limit)


def cut(rows: Sequence[R], render: Callable[[R], V], limit: int) -> Page[V]:
    """Show up to ``limit`` of the rows; one more means that there is another page."""
    shown = rows[:limit]
    return Page(items=[render(row) for row in shown], next=cursor(shown[-1].id) if len(rows) > limit else None)
