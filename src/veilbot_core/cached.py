"""Cached: what the hot path reads, kept for a moment, so that most updates ask the database nothing.

These values may be a moment old. What decides over money or access is read in the transaction that decides.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from veilbot_core.domain.errors import InvalidInput, NotFound
from veilbot_core.domain.ids import ServerId, TariffId, UserId
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.cache import Cache
from veilbot_core.ports.storage import Storage, UnitOfWork

T = TypeVar("T")
TARIFFS = "tariffs"
SERVERS = "servers"
_UNREADABLE = (AttributeError, InvalidInput, KeyError, TypeError, ValueError)
_DAY = timedelta(days=1)


def customer(user_id: UserId) -> str:
    """Return the name under which a customer is kept."""
    return f"user.{user_id}"


def account(telegram_id: int) -> str:
    """Return the name under which is kept whose a Telegram account is."""
    return f"telegram.{telegram_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """Reads through the cache, and writes that drop from it what they change."""

    storage: Storage
    cache: Cache
    policy: Policy

    async def tariffs(self) -> Sequence[Tariff]:
        """Return every tariff, archived ones too, oldest first."""
        return await self.recall(TARIFFS, self.policy.goods_ttl, self._read(lambda uow: uow.tariffs.all()), _tariffs)

    async def servers(self) -> Sequence[Server]:
        """Return every server, oldest first; places that are taken or given back show when the time is over."""
        return await self.recall(SERVERS, self.policy.goods_ttl, self._read(lambda uow: uow.servers.all()), _servers)

    async def user(self, user_id: UserId) -> User:
        """Return a customer. Raises NotFound, which is not kept."""
        find = self._read(lambda uow: uow.users.get(user_id))
        return await self.recall(customer(user_id), self.policy.users_ttl, find, _user)

    async def user_of(self, telegram_id: int) -> User:
        """Return the customer behind a Telegram account. Raises NotFound, which is not kept."""

        def find(uow: UnitOfWork) -> UserId:
            user = uow.users.by_telegram_id(telegram_id)
            if user is None:
                raise NotFound
            return user.id

        return await self.user(await self.recall(account(telegram_id), _DAY, self._read(find), _user_id))

    async def recall(
        self, name: str, time: timedelta, find: Callable[[], Awaitable[object]], decode: Callable[[bytes], T]
    ) -> T:
        """Return what is kept under a name, or find it and keep it for a time."""

        async def make() -> bytes:
            return json.dumps(await find(), default=_plain).encode()

        kept = await self.cache.fetch(name, time.total_seconds(), make)
        try:
            return decode(kept)
        except _UNREADABLE:  # another version of this program wrote it
            await self.cache.drop(name)
            return decode(await make())

    async def write(self, work: Callable[[UnitOfWork], T], *names: str) -> T:
        """Run ``work`` in a transaction, then drop what it changes, also when nobody knows whether it committed."""
        try:
            return await self.storage.write(work)
        finally:
            for name in names:
                await self.cache.drop(name)

    def _read(self, work: Callable[[UnitOfWork], T]) -> Callable[[], Awaitable[T]]:
        return lambda: self.storage.read(work)


def _plain(value: object) -> object:
    """Return as JSON takes it what JSON does not take."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return value.hex() if isinstance(value, bytes) else str(value)


@lru_cache(maxsize=16)
def _tariffs(kept: bytes) -> Sequence[Tariff]:
    return tuple(_tariff(row) for row in json.loads(kept))


@lru_cache(maxsize=16)
def _servers(kept: bytes) -> Sequence[Server]:
    return tuple(_server(row) for row in json.loads(kept))


@lru_cache(maxsize=10_000)
def _user_id(kept: bytes) -> UserId:
    return UserId(UUID(json.loads(kept)))


@lru_cache(maxsize=10_000)
def _user(kept: bytes) -> User:
    row = json.loads(kept)
    read: dict[str, Any] = {
        "id": UserId(UUID(row["id"])),
        "language": Language(row["language"]),
        "blocked_at": _moment(row["blocked_at"]),
        "unreachable_at": _moment(row["unreachable_at"]),
        "created_at": datetime.fromisoformat(row["created_at"]),
    }
    return User(**row | read)


def _tariff(row: dict[str, Any]) -> Tariff:
    terms = row["terms"]
    protocols, groups = tuple(map(Protocol, terms["protocols"])), tuple(terms["groups"])
    read: dict[str, Any] = {
        "id": TariffId(UUID(row["id"])),
        "terms": Terms(**terms | {"protocols": protocols, "groups": groups}),
        "archived_at": _moment(row["archived_at"]),
        "created_at": datetime.fromisoformat(row["created_at"]),
    }
    return Tariff(**row | read)


def _server(row: dict[str, Any]) -> Server:
    read: dict[str, Any] = {
        "id": ServerId(UUID(row["id"])),
        "protocol": Protocol(row["protocol"]),
        "endpoint": Sealed(bytes.fromhex(row["endpoint"])),
        "access": AccessLevel(row["access"]),
        "status": ServerStatus(row["status"]),
        "down_since": _moment(row["down_since"]),
        "created_at": datetime.fromisoformat(row["created_at"]),
    }
    return Server(**row | read)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
