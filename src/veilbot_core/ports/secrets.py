"""Secrets: sealing what must not lie open in the database."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable
from uuid import UUID

from veilbot_core.domain.secret import Sealed


@runtime_checkable
class Secrets(Protocol):
    """Authenticated encryption; a sealed value opens only for the row that it was sealed for."""

    @abstractmethod
    def seal(self, plain: str, row: UUID) -> Sealed:
        """Encrypt under the newest key, bound to ``row``."""

    @abstractmethod
    def open(self, sealed: Sealed, row: UUID) -> str:
        """Decrypt.

        Raises:
            Rejected: the key is not known here, or the value belongs to another row or was altered.
        """

    @abstractmethod
    def stale(self, sealed: Sealed) -> bool:
        """Say whether the value is not under the newest key."""
