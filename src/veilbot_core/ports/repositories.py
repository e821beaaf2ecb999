"""The repositories of a unit of work: one per noun, each method a single statement or a few.

All methods are synchronous on purpose: a unit of work is a plain function that cannot await, so no call outward can
stand between its statements. ``get`` reads, ``lock`` reads and keeps others from changing the row until the end.
Pages are by key: ``after`` is the id of the last row seen, newest first.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable
from uuid import UUID

from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.events import Event
from veilbot_core.domain.ids import (
    ApiKeyId,
    EventId,
    JobId,
    KeyId,
    OrderId,
    PaymentId,
    ServerId,
    SubscriptionId,
    TariffId,
    UserId,
)
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import Key
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription
from veilbot_core.domain.tariff import Tariff
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
class Tariffs(Protocol):
    """What is sold; there are few."""

    @abstractmethod
    def get(self, tariff_id: TariffId) -> Tariff:
        """Return the tariff. Raises NotFound."""

    @abstractmethod
    def all(self) -> Sequence[Tariff]:
        """Return every tariff, archived ones too, oldest first."""

    @abstractmethod
    def add(self, tariff: Tariff) -> None:
        """Insert. Raises AlreadyExists."""

    @abstractmethod
    def save(self, tariff: Tariff) -> None:
        """Write a changed tariff. Raises NotFound."""


@runtime_checkable
class Servers(Protocol):
    """VPN servers; there are few."""

    @abstractmethod
    def get(self, server_id: ServerId) -> Server:
        """Return the server. Raises NotFound."""

    @abstractmethod
    def lock(self, server_id: ServerId) -> Server:
        """Return the server for a change. Raises NotFound."""

    @abstractmethod
    def all(self) -> Sequence[Server]:
        """Return every server, oldest first."""

    @abstractmethod
    def add(self, server: Server) -> None:
        """Insert. Raises AlreadyExists for a known id or name."""

    @abstractmethod
    def save(self, server: Server) -> None:
        """Write a changed server, all but ``reserved``. Raises NotFound."""

    @abstractmethod
    def take_place(self, server_id: ServerId) -> bool:
        """Reserve one place in one conditional statement; False when it is full, not active or unknown."""

    @abstractmethod
    def free_place(self, server_id: ServerId) -> None:
        """Give one place back; never below zero."""


@runtime_checkable
class Orders(Protocol):
    """Decisions to buy."""

    @abstractmethod
    def get(self, order_id: OrderId) -> Order:
        """Return the order. Raises NotFound."""

    @abstractmethod
    def lock(self, order_id: OrderId) -> Order:
        """Return the order for a change. Raises NotFound."""

    @abstractmethod
    def find(self, order_id: OrderId) -> Order | None:
        """Return the order for a change, or None."""

    @abstractmethod
    def add(self, order: Order) -> None:
        """Insert. Raises AlreadyExists."""

    @abstractmethod
    def save(self, order: Order) -> None:
        """Write a changed order. Raises NotFound."""

    @abstractmethod
    def pending_of(self, user_id: UserId) -> Sequence[Order]:
        """Return the user's unpaid open orders, newest first, at most 20."""

    @abstractmethod
    def page(
        self,
        *,
        limit: int,
        after: OrderId | None = None,
        user_id: UserId | None = None,
        status: OrderStatus | None = None,
    ) -> Sequence[Order]:
        """Return orders, newest first."""

    @abstractmethod
    def stuck(self, before: datetime, limit: int) -> Sequence[OrderId]:
        """Return orders paid before ``before`` and still not fulfilled, oldest first."""


@runtime_checkable
class Payments(Protocol):
    """Movements of money; append-only."""

    @abstractmethod
    def get(self, payment_id: PaymentId) -> Payment:
        """Return the payment. Raises NotFound."""

    @abstractmethod
    def add(self, payment: Payment) -> bool:
        """Insert unless (provider, kind, external id) is known; say whether it was new."""

    @abstractmethod
    def find(self, provider: Provider, kind: PaymentKind, external_id: str) -> Payment | None:
        """Return the payment with the provider's id."""

    @abstractmethod
    def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        """Return all movements of one order, oldest first."""

    @abstractmethod
    def page(
        self,
        *,
        limit: int,
        after: PaymentId | None = None,
        user_id: UserId | None = None,
        status: PaymentStatus | None = None,
    ) -> Sequence[Payment]:
        """Return payments, newest first."""

    @abstractmethod
    def first_sight(self, provider: Provider, event_id: str, at: datetime) -> bool:
        """Remember a provider's event in the inbox; False when it is there already."""


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
        """Return the user's subscriptions, newest first, at most 100."""

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
        """Return subscriptions, newest first."""

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
        """Write changed keys. Raises NotFound."""

    @abstractmethod
    def save_usage(self, keys: Iterable[Key]) -> None:
        """Write only ``used`` and ``counter`` of many keys."""

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
        """Return keys, newest first."""


@runtime_checkable
class Outbox(Protocol):
    """Facts on their way out."""

    @abstractmethod
    def append(self, *events: Event) -> None:
        """Insert."""

    @abstractmethod
    def waiting(self, limit: int) -> Sequence[Event]:
        """Return facts that no bus confirmed yet, oldest first."""

    @abstractmethod
    def sent(self, event_ids: Iterable[EventId], at: datetime) -> None:
        """Remember that a bus confirmed them."""


@runtime_checkable
class Jobs(Protocol):
    """Durable work: claimed with a lease, finished with a fence."""

    @abstractmethod
    def ask(self, *jobs: Job) -> None:
        """Insert; a job that is there is asked for again: ``revision`` grows, the earlier ``due`` wins, dead is ready.

        A dead job that is asked for again also starts counting its attempts anew.
        """

    @abstractmethod
    def ensure(self, job: Job) -> bool:
        """Insert unless one is there, ready or dead; say whether it was new."""

    @abstractmethod
    def claim(self, now: datetime, until: datetime, limit: int, kinds: Iterable[JobKind] = ()) -> Sequence[Job]:
        """Lease up to ``limit`` due jobs (of ``kinds``, or of any) until ``until``; attempts and fence grow."""

    @abstractmethod
    def finish(self, job: Job) -> None:
        """Remove a claimed job, or free it when it was asked for again. Raises LeaseLost."""

    @abstractmethod
    def postpone(self, job: Job, due: datetime, error: str, *, keep_attempts: bool = True) -> None:
        """Give a claimed job back for later; ``keep_attempts=False`` starts counting anew. Raises LeaseLost."""

    @abstractmethod
    def bury(self, job: Job, error: str) -> None:
        """Mark a claimed job dead. Raises LeaseLost."""

    @abstractmethod
    def dead(self, *, limit: int, after: JobId | None = None) -> Sequence[Job]:
        """Return dead jobs by id, ascending."""

    @abstractmethod
    def next_due(self) -> datetime | None:
        """Return when the earliest ready job without a lease is due."""


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


@runtime_checkable
class Replies(Protocol):
    """Answers to requests that carried an idempotency key."""

    @abstractmethod
    def begin(self, key: UUID, fingerprint: str, now: datetime, until: datetime) -> Mapping[str, object] | None:
        """Open a request until ``until``; None when it is new or its time ran out unanswered.

        Otherwise the row: ``fingerprint`` and, once it is answered, ``status`` and ``body`` (None before).
        """

    @abstractmethod
    def answer(self, key: UUID, status: int, body: bytes) -> None:
        """Remember the answer."""

    @abstractmethod
    def forget(self, key: UUID) -> None:
        """Drop an unanswered request, so that it can be made again."""

    @abstractmethod
    def purge(self, before: datetime, limit: int) -> int:
        """Delete up to ``limit`` rows opened before ``before``; return how many."""
