"""Subscriptions and their grants in memory."""

from collections.abc import Sequence
from datetime import datetime

from veilbot_adapters.memory.tables import Entry, Index, Journal, Table, Unique
from veilbot_core.domain.ids import SubscriptionId, UserId
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription
from veilbot_core.ports import repositories as port


class MemorySubscriptions(port.Subscriptions):
    """Subscriptions by id, link, user and time of the next check; grants by subscription and by source.

    Ids of subscriptions and grants may be derived, so their age is told by their time first.
    """

    def __init__(self, journal: Journal) -> None:
        self._by_age = Index[Subscription](lambda _: 0, _age)
        self._by_user = Index[Subscription](lambda subscription: subscription.user_id.int, _age)
        self._due = Index[Subscription](lambda s: None if s.check_at is None else 0, lambda s: (s.check_at,))
        self._by_digest = Unique[Subscription](lambda subscription: subscription.token_digest)
        self.table = Table(journal, indexes=[self._by_age, self._by_user, self._due], uniques=[self._by_digest])
        self._grants_of = Index[Grant](lambda grant: grant.subscription_id.int, lambda grant: (grant.at,))
        self._by_source = Unique[Grant](lambda grant: (grant.source, grant.source_id))
        self._grants = Table(journal, indexes=[self._grants_of], uniques=[self._by_source])

    def get(self, subscription_id: SubscriptionId) -> Subscription:
        """Return the subscription. Raises NotFound."""
        return self.table.get(subscription_id.int)

    lock = get

    def find(self, subscription_id: SubscriptionId) -> Subscription | None:
        """Return the subscription, or None."""
        return self.table.rows.get(subscription_id.int)

    def by_digest(self, token_digest: str) -> Subscription | None:
        """Return the subscription behind a link."""
        return self.table.named(self._by_digest, token_digest)

    def of_user(self, user_id: UserId) -> Sequence[Subscription]:
        """Walk down the user's subscriptions."""
        return self.table.take(self._by_user.down(user_id.int), 100)

    def add(self, subscription: Subscription) -> None:
        """Insert."""
        self.table.insert(subscription.id.int, subscription)

    def save(self, *subscriptions: Subscription) -> None:
        """Replace."""
        for subscription in subscriptions:
            self.table.update(subscription.id.int, subscription)

    def due(self, now: datetime, limit: int) -> Sequence[Subscription]:
        """Walk up by the time of the next check."""
        first = self.table.take(self._due.up(), limit)
        return [subscription for subscription in first if subscription.check_at and subscription.check_at <= now]

    def page(self, *, limit: int, after: SubscriptionId | None = None) -> Sequence[Subscription]:
        """Walk down by age."""
        last = None if after is None else self.find(after)
        if after is not None and last is None:
            return []
        before: Entry = () if last is None else (last.created_at, last.id.int)
        return self.table.take(self._by_age.down(before=before), limit)

    def add_grant(self, grant: Grant) -> bool:
        """Insert what was not granted yet."""
        if self.grant_for(grant.source, grant.source_id) is not None:
            return False
        self._grants.insert(grant.id.int, grant)
        return True

    def grants(self, subscription_id: SubscriptionId) -> Sequence[Grant]:
        """Walk up by the time of granting."""
        return self._grants.take(self._grants_of.up(subscription_id.int))

    def grant_for(self, source: GrantSource, source_id: str) -> Grant | None:
        """Return the grant that was given for something."""
        return self._grants.named(self._by_source, (source, source_id))

    def save_grant(self, grant: Grant) -> None:
        """Replace."""
        self._grants.update(grant.id.int, grant)


def _age(subscription: Subscription) -> Entry:
    return (subscription.created_at,)
