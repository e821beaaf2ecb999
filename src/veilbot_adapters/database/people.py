"""Customers, and the programs that hold an API key."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from veilbot_adapters.database import rows, tables
from veilbot_adapters.database.pages import Pages
from veilbot_adapters.database.repository import Repository
from veilbot_adapters.database.statements import Statement, by_id, insert_unknown, lock_by_id, update_row
from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.ids import ApiKeyId, UserId
from veilbot_core.domain.user import User
from veilbot_core.ports import repositories as ports

_users, _api_keys = tables.users, tables.api_keys

_USER = by_id(_users)
_LOCK_USER = lock_by_id(_users)
_USER_OF_TELEGRAM = Statement(select(_users).where(_users.c.telegram_id == bindparam("telegram_id")))
_ADD_USER = insert_unknown(_users)
_SAVE_USER = update_row(_users)
_USERS = Pages(_users)

_API_KEY = by_id(_api_keys)
_API_KEY_OF_DIGEST = Statement(select(_api_keys).where(_api_keys.c.digest == bindparam("digest")))
_API_KEYS = Statement(select(_api_keys).order_by(_api_keys.c.id))
_ADD_API_KEY = insert_unknown(_api_keys)
_SAVE_API_KEY = update_row(_api_keys)


class Users(Repository, ports.Users):
    """Customers."""

    __slots__ = ()

    def get(self, user_id: UserId) -> User:
        """Return the user. Raises NotFound."""
        return rows.to_user(self._get(_USER, {"id": user_id}))

    def lock(self, user_id: UserId) -> User:
        """Return the user for a change. Raises NotFound."""
        return rows.to_user(self._get(_LOCK_USER, {"id": user_id}))

    def by_telegram_id(self, telegram_id: int) -> User | None:
        """Return the user behind a Telegram account."""
        row = self._session.first(_USER_OF_TELEGRAM, {"telegram_id": telegram_id})
        return None if row is None else rows.to_user(row)

    def add(self, user: User) -> None:
        """Insert. Raises AlreadyExists for a known id or Telegram account."""
        self._add(_ADD_USER, rows.from_user(user))

    def save(self, user: User) -> None:
        """Write a changed user. Raises NotFound."""
        self._save(_SAVE_USER, rows.from_user(user))

    def page(self, *, limit: int, after: UserId | None = None) -> Sequence[User]:
        """Return users, newest first."""
        return [rows.to_user(row) for row in _USERS.rows(self._session, limit, after)]


class ApiKeys(Repository, ports.ApiKeys):
    """Keys of the HTTP API; there are few."""

    __slots__ = ()

    def get(self, key_id: ApiKeyId) -> ApiKey:
        """Return the key. Raises NotFound."""
        return rows.to_api_key(self._get(_API_KEY, {"id": key_id}))

    def by_digest(self, digest: str) -> ApiKey | None:
        """Return the key behind a secret."""
        row = self._session.first(_API_KEY_OF_DIGEST, {"digest": digest})
        return None if row is None else rows.to_api_key(row)

    def all(self) -> Sequence[ApiKey]:
        """Return every key, oldest first."""
        return [rows.to_api_key(row) for row in self._session.all(_API_KEYS, {})]

    def add(self, key: ApiKey) -> None:
        """Insert. Raises AlreadyExists."""
        self._add(_ADD_API_KEY, rows.from_api_key(key))

    def save(self, key: ApiKey) -> None:
        """Write a changed key. Raises NotFound."""
        self._save(_SAVE_API_KEY, rows.from_api_key(key))
