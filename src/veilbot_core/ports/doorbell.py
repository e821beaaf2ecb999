"""Doorbell: a hint that there is work, so that nobody has to look all the time."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable


@runtime_checkable
class Doorbell(Protocol):
    """Wakes workers; a lost ring costs one poll interval, never a job."""

    @abstractmethod
    def ring(self) -> None:
        """Say that a job was just committed."""

    @abstractmethod
    async def wait(self, seconds: float) -> None:
        """Return at the next ring, or at once if it rang since the last wait, or after ``seconds``."""
