"""Ids: everything that must not repeat, and chance."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable
from uuid import UUID


@runtime_checkable
class Ids(Protocol):
    """The only source of new ids, secrets and randomness."""

    @abstractmethod
    def new(self) -> UUID:
        """Return a time-ordered UUID (version 7); each is greater than the one before, within a process."""

    @abstractmethod
    def secret(self) -> str:
        """Return at least 128 random bits, safe in a URL."""

    @abstractmethod
    def chance(self) -> float:
        """Return a number from 0 to below 1, to spread retries."""
