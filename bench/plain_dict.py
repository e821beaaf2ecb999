"""``veilbot`` whose cached reads come out of a plain dict: no time to live, no bytes, no sharing."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from veilbot_core.cached import Cached
from veilbot_runners.cli import main

T = TypeVar("T")
_KEPT: dict[str, object] = {}


async def recall(_: Cached, name: str, __: timedelta, find: Callable[[], Awaitable[T]], ___: object) -> T:
    """Find once."""
    if name not in _KEPT:
        _KEPT[name] = await find()
    return _KEPT[name]  # type: ignore[return-value]


if __name__ == "__main__":
    Cached.recall = recall  # type: ignore[method-assign, assignment]
    main()
