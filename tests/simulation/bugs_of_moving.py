"""Planted bugs: how shops lose customers when they empty a server."""

from dataclasses import replace
from datetime import datetime

from tests.simulation.bugs import Bug, instead, repository

from veilbot_adapters.memory.keys import MemoryKeys
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import ABSENT, Key
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.notices import Notices
from veilbot_core.services.provisioning import Provisioning


class GoesFirst(MemoryKeys):
    def add(self, key: Key) -> None:
        super().add(key)
        if key.replaces is not None:
            self.save(self.get(key.replaces).want(ABSENT, key.changed_at))


class OldKeyIsForgotten(Provisioning):
    def _take_over(self, uow: UnitOfWork, key: Key, replaced: Key, now: datetime) -> Key:
        uow.keys.save(replace(replaced, desired=ABSENT, observed=ABSENT, placed=False))
        return Provisioning._take_over(self, uow, key, uow.keys.get(replaced.id), now)


class OldKeyStays(Provisioning):
    def _take_over(self, uow: UnitOfWork, key: Key, replaced: Key, now: datetime) -> Key:
        moved = Provisioning._take_over(self, uow, key, replaced, now)
        uow.keys.save(replaced)
        return moved


class SaysNothing(Notices):
    async def tell(self, job: Job) -> None:
        if job.kind is JobKind.TELL_MOVED:
            await self.storage.write(lambda uow: uow.jobs.finish(job))
        else:
            await Notices.tell(self, job)


BUGS = (
    Bug(
        name="the old key goes before the new one works",
        first=12,
        guard="the old key goes in the commit that records the new one",
        breaks="nobody_is_left_without_a_key",
        faults="none",
        plant=repository("keys", GoesFirst),
    ),
    Bug(
        name="the old key is forgotten with its place",
        first=12,
        guard="a place is free when the server said that the key is gone",
        breaks="places_counted_are_keys_placed",
        faults="none",
        plant=instead("provisioning", OldKeyIsForgotten),
    ),
    Bug(
        name="the old key stays beside the new one",
        first=7,
        guard="one key per subscription and protocol is wanted when the new one works",
        breaks="a_live_subscription_has_its_keys",
        faults="none",
        plant=instead("provisioning", OldKeyStays),
    ),
    Bug(
        name="nobody tells whose key has moved",
        first=5,
        guard="the fact that a key moved brings the message with it",
        breaks="moved_customers_are_told",
        faults="none",
        plant=instead("notices", SaysNothing),
    ),
)
