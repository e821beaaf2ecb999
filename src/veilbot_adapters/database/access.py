"""Subscriptions with their grants, and the keys."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, select, text, update

from veilbot_adapters.database import rows, tables
from veilbot_adapters.database.pages import Pages
from veilbot_adapters.database.repository import Repository
from veilbot_adapters.database.statements import Statement, among, by_id, insert_unknown, lock_by_id, update_row
from veilbot_core.domain.ids import KeyId, ServerId, SubscriptionId, UserId
from veilbot_core.domain.key import Key
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription
from veilbot_core.ports import repositories as ports

_subscriptions, _grants, _keys = tables.subscriptions, tables.grants, tables.keys

_SUBSCRIPTION = by_id(_subscriptions)
_LOCK_SUBSCRIPTION = lock_by_id(_subscriptions)
_SUBSCRIPTION_OF_LINK = Statement(
    select(_subscriptions).where(_subscriptions.c.token_digest == bindparam("token_digest"))
)
_ADD_SUBSCRIPTION = insert_unknown(_subscriptions)
_SAVE_SUBSCRIPTION = update_row(_subscriptions, but=frozenset({"user_id"}))
_COUNT_SUBSCRIPTIONS = Statement(
    *(select(func.count().label("found")).where(some) for some in among(_subscriptions.c.id, "ids"))
)
_SUBSCRIPTIONS = Pages(_subscriptions)
_DUE = Statement(
    select(_subscriptions)
    .where(_subscriptions.c.check_at <= bindparam("now"))
    .order_by(_subscriptions.c.check_at, _subscriptions.c.id)
    .limit(bindparam("limit"))
    .with_for_update(key_share=True, skip_locked=True)
)

_ADD_GRANT = insert_unknown(_grants)
_SAVE_GRANT = update_row(_grants)
_GRANTS = Statement(
    select(_grants)
    .where(_grants.c.subscription_id == bindparam("subscription_id"))
    .order_by(_grants.c.at, _grants.c.id)
)
_GRANT_FOR = Statement(
    select(_grants).where(_grants.c.source == bindparam("source"), _grants.c.source_id == bindparam("source_id"))
)

_KEY = by_id(_keys)
_LOCK_KEY = lock_by_id(_keys)
_LOCK_KEYS = Statement(
    *(
        select(_keys).where(some).order_by(_keys.c.id).with_for_update(key_share=True)
        for some in among(_keys.c.id, "ids")
    )
)
_ADD_KEY = insert_unknown(_keys)
_SAVE_KEY = update_row(_keys, but=frozenset({"subscription_id", "user_id", "server_id", "protocol", "used", "counter"}))
_COUNT_KEYS = Statement(*(select(func.count().label("found")).where(some) for some in among(_keys.c.id, "ids")))
_SAVE_USAGE = Statement(
    update(_keys)
    .where(
        _keys.c.id == bindparam("id"), _keys.c.used == bindparam("was_used"), _keys.c.counter == bindparam("counted")
    )
    .values(used=bindparam("used"), counter=bindparam("counter"))
)
_KEYS_OF_ONE = Statement(
    select(_keys).where(_keys.c.subscription_id == bindparam("id")).order_by(_keys.c.created_at, _keys.c.id)
)
_KEYS_OF_SUBSCRIPTIONS = Statement(
    *(
        select(_keys).where(some).order_by(_keys.c.created_at, _keys.c.id)
        for some in among(_keys.c.subscription_id, "subscription_ids")
    )
)
_KEYS_OF_SERVER = Pages(_keys, ascending=True)
_KEYS = Pages(_keys)
_UNSETTLED = Statement(
    select(_keys.c.id)
    .where(text("NOT settled"), _keys.c.changed_at < bindparam("before"))
    .order_by(_keys.c.changed_at, _keys.c.id)
    .limit(bindparam("limit"))
)


class Subscriptions(Repository, ports.Subscriptions):
    """Rights to use and the grants that they are made of."""

    __slots__ = ()

    def get(self, subscription_id: SubscriptionId) -> Subscription:
        """Return the subscription. Raises NotFound."""
        return rows.to_subscription(self._get(_SUBSCRIPTION, {"id": subscription_id}))

    def lock(self, subscription_id: SubscriptionId) -> Subscription:
        """Return the subscription for a change. Raises NotFound."""
        return rows.to_subscription(self._get(_LOCK_SUBSCRIPTION, {"id": subscription_id}))

    def find(self, subscription_id: SubscriptionId) -> Subscription | None:
        """Return the subscription for a change, or None."""
        row = self._session.first(_LOCK_SUBSCRIPTION, {"id": subscription_id})
        return None if row is None else rows.to_subscription(row)

    def by_digest(self, token_digest: str) -> Subscription | None:
        """Return the subscription behind a link."""
        row = self._session.first(_SUBSCRIPTION_OF_LINK, {"token_digest": token_digest})
        return None if row is None else rows.to_subscription(row)

    def of_user(self, user_id: UserId) -> Sequence[Subscription]:
        """Return the user's subscriptions, by id, at most 100."""
        return [rows.to_subscription(row) for row in _SUBSCRIPTIONS.rows(self._session, 100, None, user_id=user_id)]

    def add(self, subscription: Subscription) -> None:
        """Insert. Raises AlreadyExists."""
        self._add(_ADD_SUBSCRIPTION, rows.from_subscription(subscription))

    def save(self, *subscriptions: Subscription) -> None:
        """Write changed subscriptions. Raises NotFound."""
        changed = [rows.from_subscription(subscription) for subscription in subscriptions]
        self._save_many(_SAVE_SUBSCRIPTION, _COUNT_SUBSCRIPTIONS, changed)

    def due(self, now: datetime, limit: int) -> Sequence[Subscription]:
        """Return those whose ``check_at`` has come, earliest first, locked; rows others hold are passed over."""
        return [rows.to_subscription(row) for row in self._session.all(_DUE, {"now": now, "limit": limit})]

    def page(self, *, limit: int, after: SubscriptionId | None = None) -> Sequence[Subscription]:
        """Return subscriptions, by id, which is not by age."""
        return [rows.to_subscription(row) for row in _SUBSCRIPTIONS.rows(self._session, limit, after)]

    def add_grant(self, grant: Grant) -> bool:
        """Insert unless (source, source_id) was granted before; say whether it was new."""
        return self._session.change(_ADD_GRANT, rows.from_grant(grant)) == 1

    def grants(self, subscription_id: SubscriptionId) -> Sequence[Grant]:
        """Return all grants of one subscription, oldest first."""
        return [rows.to_grant(row) for row in self._session.all(_GRANTS, {"subscription_id": subscription_id})]

    def grant_for(self, source: GrantSource, source_id: str) -> Grant | None:
        """Return the grant that was given for something."""
        row = self._session.first(_GRANT_FOR, {"source": source, "source_id": source_id})
        return None if row is None else rows.to_grant(row)

    def save_grant(self, grant: Grant) -> None:
        """Write a shrunk grant. Raises NotFound."""
        self._save(_SAVE_GRANT, rows.from_grant(grant))


class Keys(Repository, ports.Keys):
    """Credentials on servers."""

    __slots__ = ()

    def get(self, key_id: KeyId) -> Key:
        """Return the key. Raises NotFound."""
        return rows.to_key(self._get(_KEY, {"id": key_id}))

    def find(self, key_id: KeyId) -> Key | None:
        """Return the key for a change, or None."""
        row = self._session.first(_LOCK_KEY, {"id": key_id})
        return None if row is None else rows.to_key(row)

    def lock(self, key_id: KeyId) -> Key:
        """Return the key for a change. Raises NotFound."""
        return rows.to_key(self._get(_LOCK_KEY, {"id": key_id}))

    def lock_all(self, key_ids: Iterable[KeyId]) -> Sequence[Key]:
        """Return the keys that exist for a change, by id ascending, in one statement."""
        return [rows.to_key(row) for row in self._session.all(_LOCK_KEYS, {"ids": self._session.listed(key_ids)})]

    def add(self, key: Key) -> None:
        """Insert. Raises AlreadyExists."""
        self._add(_ADD_KEY, rows.from_key(key))

    def save(self, *keys: Key) -> None:
        """Write changed keys. Raises NotFound."""
        self._save_many(_SAVE_KEY, _COUNT_KEYS, [rows.from_key(key) for key in keys])

    def save_usage(self, metered: Iterable[tuple[Key, Key]]) -> None:
        """Compare the two numbers with what was read, and write them."""
        changes = [
            {"id": was.id, "was_used": was.used, "counted": was.counter, "used": now.used, "counter": now.counter}
            for was, now in metered
        ]
        self._session.change_many(_SAVE_USAGE, changes)

    def of_subscriptions(self, subscription_ids: Iterable[SubscriptionId]) -> Sequence[Key]:
        """Return the keys of some subscriptions in one statement, oldest first."""
        wanted = list(subscription_ids)
        if len(wanted) == 1:  # a purchase asks only so
            found = self._session.all(_KEYS_OF_ONE, {"id": wanted[0]})
        else:
            found = self._session.all(_KEYS_OF_SUBSCRIPTIONS, {"subscription_ids": self._session.listed(wanted)})
        return [rows.to_key(row) for row in found]

    def of_server(self, server_id: ServerId, *, limit: int, after: KeyId | None = None) -> Sequence[Key]:
        """Return the keys of a server by id, ascending."""
        return [rows.to_key(row) for row in _KEYS_OF_SERVER.rows(self._session, limit, after, server_id=server_id)]

    def unsettled(self, limit: int, before: datetime) -> Sequence[KeyId]:
        """Return keys last changed before ``before`` whose server does not have what we want, oldest first."""
        return [row.id for row in self._session.all(_UNSETTLED, {"before": before, "limit": limit})]

    def page(self, *, limit: int, after: KeyId | None = None, user_id: UserId | None = None) -> Sequence[Key]:
        """Return keys, by id, which is not by age."""
        return [rows.to_key(row) for row in _KEYS.rows(self._session, limit, after, user_id=user_id)]
