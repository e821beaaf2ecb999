"""Cache: answers worth keeping for a moment."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Cache(Protocol):
    """Bytes by name, for a time; losing all of it costs only time."""

    @abstractmethod
    async def get(self, name: str) -> bytes | None:
        """Return what was set, unless its time is over."""

    @abstractmethod
    async def set(self, name: str, value: bytes, seconds: float) -> None:
        """Keep ``value`` for ``seconds``."""

    @abstractmethod
    async def drop(self, name: str) -> None:
        """Forget one name."""

    @abstractmethod
    async def fetch(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return what is kept, or make it: one caller makes, the others wait for the same answer."""
