"""Clock: time and waiting."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol, runtime_checkable


@runtime_checkable
class Clock(Protocol):
    """The only source of time."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds that never go back, to measure durations."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Wait."""
