"""Rights to use, the grants they are made of, and keys."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from veilbot_core.domain.ids import KeyId, ServerId, SubscriptionId, UserId
from veilbot_core.domain.key import Key
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription


@runtime_checkable
class Subscriptions(Protocol):
    """Rights to use and the grants that they are made of."""

    @abstractmethod
    def get(self, subscription_id: SubscriptionId) -> Subscription:
        """Return the subscription. Raises NotFound."""

    @abstractmethod
    def lock(self, subscription_id: SubscriptionId) -> Subscription:
        """Return the subscription for a change. Raises NotFound."""

    @abstractmethod
    def find(self, subscription_id: SubscriptionId) -> Subscription | None:
        """Return the subscription for a change, or None."""

    @abstractmethod
    def by_digest(self, token_digest: str) -> Subscription | None:
        """Return the subscription behind a link."""

    @abstractmethod
    def of_user(self, user_id: UserId) -> Sequence[Subscription]:
        """Return the user's subscriptions, by id, at most 100."""

    @abstractmethod
    def add(self, subscription: Subscription) -> None:
        """Insert. Raises AlreadyExists."""

    @abstractmethod
    def save(self, *subscriptions: Subscription) -> None:
        """Write changed subscriptions. Raises NotFound."""

    @abstractmethod
    def due(self, now: datetime, limit: int) -> Sequence[Subscription]:
        """Return those whose ``check_at`` has come, earliest first, locked; rows others hold are passed over."""

    @abstractmethod
    def page(self, *, limit: int, after: SubscriptionId | None = None) -> Sequence[Subscription]:
        """Return subscriptions, by id, which is not by age."""

    @abstractmethod
    def add_grant(self, grant: Grant) -> bool:
        """Insert unless (source, source_id) was granted before; say whether it was new."""

    @abstractmethod
    def grants(self, subscription_id: SubscriptionId) -> Sequence[Grant]:
        """Return all grants of one subscription, oldest first."""

    @abstractmethod
    def grant_for(self, source: GrantSource, source_id: str) -> Grant | None:
        """Return the grant that was given for something."""

    @abstractmethod
    def save_grant(self, grant: Grant) -> None:
        """Write a shrunk grant. Raises NotFound."""


@runtime_checkable
class Keys(Protocol):
    """Credentials on servers."""

    @abstractmethod
    def get(self, key_id: KeyId) -> Key:
        """Return the key. Raises NotFound."""

    @abstractmethod
    def find(self, key_id: KeyId) -> Key | None:
        """Return the key for a change, or None."""

    @abstractmethod
    def lock(self, key_id: KeyId) -> Key:
        """Return the key for a change. Raises NotFound."""

    @abstractmethod
    def lock_all(self, key_ids: Iterable[KeyId]) -> Sequence[Key]:
        """Return the keys that exist for a change, by id ascending, in one statement."""

    @abstractmethod
    def add(self, key: Key) -> None:
        """Insert. Raises AlreadyExists."""

    @abstractmethod
    def save(self, *keys: Key) -> None:
        """Write changed keys, all but ``used`` and ``counter``. Raises NotFound."""

    @abstractmethod
    def save_usage(self, metered: Iterable[tuple[Key, Key]]) -> None:
        """Write only ``used`` and ``counter`` of many keys, each as it was read and as it is now.

        Where somebody else has written them since, theirs stay: the reading may be older than what is booked.
        """

    @abstractmethod
    def of_subscriptions(self, subscription_ids: Iterable[SubscriptionId]) -> Sequence[Key]:
        """Return the keys of some subscriptions in one statement, oldest first."""

    @abstractmethod
    def of_server(self, server_id: ServerId, *, limit: int, after: KeyId | None = None) -> Sequence[Key]:
        """Return the keys of a server by id, ascending."""

    @abstractmethod
    def unsettled(self, limit: int, before: datetime) -> Sequence[KeyId]:
        """Return keys last changed before ``before`` whose server does not have what we want, oldest first."""

    @abstractmethod
    def page(self, *, limit: int, after: KeyId | None = None, user_id: UserId | None = None) -> Sequence[Key]:
        """Return keys, by id, which is not by age."""
