"""Who customers are, and who may use the HTTP API."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.ids import ApiKeyId, UserId
from veilbot_core.domain.user import User


@runtime_checkable
class Users(Protocol):
    """Customers."""

    @abstractmethod
    def get(self, user_id: UserId) -> User:
        """Return the user. Raises NotFound."""

    @abstractmethod
    def lock(self, user_id: UserId) -> User:
        """Return the user for a change. Raises NotFound."""

    @abstractmethod
    def by_telegram_id(self, telegram_id: int) -> User | None:
        """Return the user behind a Telegram account."""

    @abstractmethod
    def add(self, user: User) -> None:
        """Insert. Raises AlreadyExists for a known id or Telegram account."""

    @abstractmethod
    def save(self, user: User) -> None:
        """Write a changed user. Raises NotFound."""

    @abstractmethod
    def page(self, *, limit: int, after: UserId | None = None) -> Sequence[User]:
        """Return users, newest first."""


@runtime_checkable
class ApiKeys(Protocol):
    """Keys of the HTTP API; there are few."""

    @abstractmethod
    def get(self, key_id: ApiKeyId) -> ApiKey:
        """Return the key. Raises NotFound."""

    @abstractmethod
    def by_digest(self, digest: str) -> ApiKey | None:
        """Return the key behind a secret."""

    @abstractmethod
    def all(self) -> Sequence[ApiKey]:
        """Return every key, oldest first."""

    @abstractmethod
    def add(self, key: ApiKey) -> None:
        """Insert. Raises AlreadyExists."""

    @abstractmethod
    def save(self, key: ApiKey) -> None:
        """Write a changed key. Raises NotFound."""
