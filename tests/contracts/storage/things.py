"""Rows for the storage contract, each with sensible values that a test may change."""

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import (
    ApiKeyId,
    EventId,
    GrantId,
    OrderId,
    PaymentId,
    ServerId,
    SubscriptionId,
    TariffId,
    UserId,
)
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import Key, KeyState
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider
from veilbot_core.domain.secret import Sealed, digest
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.storage import Storage, UnitOfWork

NOW = datetime(2026, 3, 1, 12, 30, 59, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

_count = itertools.count(1)


def new_id() -> UUID:
    """Return a UUIDv7 greater than every one before."""
    return UUID(int=(0x019C_0000_0000 << 80) | (0x7 << 76) | (0b10 << 62) | next(_count))


def a_user(**changes: Any) -> User:
    values: dict[str, Any] = {
        "id": UserId(new_id()),
        "telegram_id": None,
        "name": "Ann",
        "language": Language.EN,
        "created_at": NOW,
    }
    return User(**values | changes)


def a_tariff(**changes: Any) -> Tariff:
    values: dict[str, Any] = {
        "id": TariffId(new_id()),
        "terms": Terms(name="Month", days=30),
        "prices": {"USD": 499},
        "created_at": NOW,
    }
    return Tariff(**values | changes)


def a_server(**changes: Any) -> Server:
    server_id = ServerId(new_id())
    values: dict[str, Any] = {
        "id": server_id,
        "name": f"server {server_id.int & 0xFFFFFF}",
        "protocol": Protocol.OUTLINE,
        "country": "NL",
        "endpoint": Sealed(b"\x00sealed\xff"),
        "capacity": 10,
        "created_at": NOW,
    }
    return Server(**values | changes)


def an_order(user: User, tariff: Tariff, **changes: Any) -> Order:
    values: dict[str, Any] = {
        "id": OrderId(new_id()),
        "user_id": user.id,
        "tariff_id": tariff.id,
        "terms": tariff.terms,
        "price": Money(amount=499, currency="USD"),
        "provider": Provider.STRIPE,
        "created_at": NOW,
        "expires_at": NOW + HOUR,
    }
    return Order(**values | changes)


def a_payment(order: Order | None = None, **changes: Any) -> Payment:
    payment_id = PaymentId(new_id())
    values: dict[str, Any] = {
        "id": payment_id,
        "provider": Provider.STRIPE,
        "kind": PaymentKind.CHARGE,
        "external_id": f"pi_{payment_id.hex}",
        "money": Money(amount=499, currency="USD"),
        "status": PaymentStatus.ACCEPTED,
        "order_id": order.id if order else None,
        "user_id": order.user_id if order else None,
        "at": NOW,
    }
    return Payment(**values | changes)


def a_subscription(user: User, tariff: Tariff, **changes: Any) -> Subscription:
    subscription_id = SubscriptionId(new_id())
    values: dict[str, Any] = {
        "id": subscription_id,
        "user_id": user.id,
        "tariff_id": tariff.id,
        "terms": tariff.terms,
        "country": None,
        "token": Sealed(b"token"),
        "token_digest": digest(subscription_id.hex),
        "ends_at": NOW + timedelta(days=30),
        "check_at": NOW + timedelta(days=27),
        "created_at": NOW,
    }
    return Subscription(**values | changes)


def a_grant(subscription: Subscription, **changes: Any) -> Grant:
    grant_id = GrantId(new_id())
    values: dict[str, Any] = {
        "id": grant_id,
        "subscription_id": subscription.id,
        "source": GrantSource.ORDER,
        "source_id": grant_id.hex,
        "days": 30,
        "at": NOW,
    }
    return Grant(**values | changes)


def a_key(subscription: Subscription, server: Server, **changes: Any) -> Key:
    values: dict[str, Any] = {
        "id": Key.identify(subscription.id, server.id),
        "subscription_id": subscription.id,
        "user_id": subscription.user_id,
        "server_id": server.id,
        "protocol": server.protocol,
        "name": server.name,
        "desired": KeyState(present=True),
        "created_at": NOW,
        "changed_at": NOW,
    }
    return Key(**values | changes)


def an_event(**changes: Any) -> Event:
    values: dict[str, Any] = {
        "id": EventId(new_id()),
        "type": EventType.ORDER_CREATED,
        "subject": new_id(),
        "at": NOW,
        "data": {},
    }
    return Event(**values | changes)


def a_job(kind: JobKind = JobKind.FULFIL_ORDER, **changes: Any) -> Job:
    values: dict[str, Any] = {"subject": new_id(), "now": NOW}
    return Job.ask(kind, **values | changes)


def an_api_key(**changes: Any) -> ApiKey:
    key_id = ApiKeyId(new_id())
    values: dict[str, Any] = {
        "id": key_id,
        "name": "billing tool",
        "digest": digest(key_id.hex),
        "hint": "vb_abcd",
        "scopes": frozenset({"users:read", "billing:write"}),
        "created_at": NOW,
    }
    return ApiKey(**values | changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The least that sales and keys stand on."""

    user: User
    tariff: Tariff
    server: Server
    subscription: Subscription

    def order(self, **changes: Any) -> Order:
        return an_order(self.user, self.tariff, **changes)

    def key(self, **changes: Any) -> Key:
        return a_key(self.subscription, self.server, **changes)


async def open_shop(storage: Storage, **server: Any) -> Shop:
    """Store a user with a subscription, a tariff and a server."""
    user, tariff = a_user(), a_tariff()
    shop = Shop(user=user, tariff=tariff, server=a_server(**server), subscription=a_subscription(user, tariff))

    def work(uow: UnitOfWork) -> None:
        uow.users.add(shop.user)
        uow.tariffs.add(shop.tariff)
        uow.servers.add(shop.server)
        uow.subscriptions.add(shop.subscription)

    await storage.write(work)
    return shop
