"""Keys in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from veilbot_adapters.memory.tables import Entry, Index, Journal, Table, below
from veilbot_core.domain.ids import KeyId, ServerId, SubscriptionId, UserId
from veilbot_core.domain.key import Key
from veilbot_core.ports import repositories as port


class MemoryKeys(port.Keys):
    """Keys by id, subscription, server and user, and the unsettled ones; ids are derived, age is told by time first."""

    def __init__(self, journal: Journal) -> None:
        self._by_age = Index[Key](lambda _: 0, _age)
        self._by_user = Index[Key](lambda key: key.user_id.int, _age)
        self._by_subscription = Index[Key](lambda key: key.subscription_id.int, _age)
        self._by_server = Index[Key](lambda key: key.server_id.int)
        self._unsettled = Index[Key](lambda key: None if key.settled else 0, lambda key: (key.changed_at,))
        indexes = [self._by_age, self._by_user, self._by_subscription, self._by_server, self._unsettled]
        self.table = Table(journal, indexes=indexes)

    def get(self, key_id: KeyId) -> Key:
        """Return the key. Raises NotFound."""
        return self.table.get(key_id.int)

    lock = get

    def find(self, key_id: KeyId) -> Key | None:
        """Return the key, or None."""
        return self.table.rows.get(key_id.int)

    def lock_all(self, key_ids: Iterable[KeyId]) -> Sequence[Key]:
        """Return those that exist, by id."""
        numbers = sorted({key_id.int for key_id in key_ids})
        return [key for key in map(self.table.rows.get, numbers) if key is not None]

    def add(self, key: Key) -> None:
        """Insert."""
        self.table.insert(key.id.int, key)

    def save(self, *keys: Key) -> None:
        """Replace, but for the two numbers."""
        for key in keys:
            known = self.get(key.id)
            self.table.update(key.id.int, replace(key, used=known.used, counter=known.counter))

    def save_usage(self, metered: Iterable[tuple[Key, Key]]) -> None:
        """Replace the two numbers where they are as they were."""
        for before, after in metered:
            known = self.find(before.id)
            if known is not None and (known.used, known.counter) == (before.used, before.counter):
                self.table.update(known.id.int, replace(known, used=after.used, counter=after.counter))

    def of_subscriptions(self, subscription_ids: Iterable[SubscriptionId]) -> Sequence[Key]:
        """Collect each subscription's keys, then sort by age."""
        wanted = {subscription_id.int for subscription_id in subscription_ids}
        entries = sorted(entry for one in wanted for entry in self._by_subscription.up(one))
        return self.table.take(iter(entries))

    def of_server(self, server_id: ServerId, *, limit: int, after: KeyId | None = None) -> Sequence[Key]:
        """Walk up by id."""
        return self.table.take(self._by_server.up(server_id.int, after=below(after)), limit)

    def unsettled(self, limit: int, before: datetime) -> Sequence[KeyId]:
        """Walk up by the time of the last change."""
        return [key.id for key in self.table.take(self._unsettled.up(), limit) if key.changed_at < before]

    def page(self, *, limit: int, after: KeyId | None = None, user_id: UserId | None = None) -> Sequence[Key]:
        """Walk down by age, one user's keys if asked."""
        last = None if after is None else self.find(after)
        if after is not None and last is None:
            return []
        before: Entry = () if last is None else (last.created_at, last.id.int)
        if user_id is not None:
            return self.table.take(self._by_user.down(user_id.int, before=before), limit)
        return self.table.take(self._by_age.down(before=before), limit)


def _age(key: Key) -> Entry:
    return (key.created_at,)
