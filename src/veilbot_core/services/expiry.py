"""Expiry: what time asks of subscriptions."""

from dataclasses import dataclass, replace

from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import ABSENT, Key
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.subscription import Standing, Subscription
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import about, keys_of, want

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """Reminds customers before the end, and takes keys off the servers after the grace."""

    storage: Storage
    clock: Clock
    ids: Ids
    policy: Policy

    async def run(self, _: Job) -> None:
        """Do what is due, in short transactions, for at most half a lease; the rest is still due next time."""
        deadline = self.clock.monotonic() + self.policy.lease.total_seconds() / 2
        while await self.storage.write(self._batch) == _BATCH and self.clock.monotonic() < deadline:
            pass

    def _batch(self, uow: UnitOfWork) -> int:
        now, grace = self.clock.now(), self.policy.grace
        due = uow.subscriptions.due(now, _BATCH)
        uow.jobs.ask(*(job for subscription in due if (job := self._reminder(subscription))))
        ended = [s for s in due if s.standing(now, grace) is Standing.EXPIRED]
        if ended:
            keys = [k for k in keys_of(uow, ended) if k.desired.present]
            want(uow, keys, ABSENT, now)
            uow.publish(
                *(about(self.ids, EventType.SUBSCRIPTION_EXPIRED, s, now) for s in ended), *map(self._gone, keys)
            )
        uow.subscriptions.save(*(replace(s, check_at=s.next_check(now, grace)) for s in due))
        return len(due)

    def _reminder(self, subscription: Subscription) -> Job | None:
        """Return the reminder whose time has come, unless the customer is beyond reminding."""
        now = self.clock.now()
        stage = subscription.reminder(now)
        if stage is None or subscription.standing(now, self.policy.grace) is Standing.EXPIRED:
            return None
        detail = f"{stage}@{int(subscription.ends_at.timestamp())}"
        return Job.ask(JobKind.TELL_REMINDER, subscription.id, now, detail=detail)

    def _gone(self, key: Key) -> Event:
        return about(self.ids, EventType.KEY_EXPIRED, key, self.clock.now(), server_id=str(key.server_id))
