"""Planted bugs: how shops lose keys, leave them behind, or lose track of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from tests.simulation.bugs import Bug, instead, repository, vpn

from veilbot_adapters.memory.keys import MemoryKeys
from veilbot_adapters.memory.offers import MemoryServers
from veilbot_core.domain.errors import PortError
from veilbot_core.domain.ids import KeyId, ServerId, derive
from veilbot_core.domain.jobs import Job
from veilbot_core.domain.key import Key
from veilbot_core.domain.reconciling import Report
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.ports.vpn import Endpoint, KeySpec
from veilbot_core.services.expiry import Expiry
from veilbot_core.services.fulfilment import Fulfilment
from veilbot_core.services.provisioning import Provisioning
from veilbot_runners.simulation.ports import SimVpn


class KeyPerAttempt(SimVpn):
    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        fresh = KeyId(derive(key.id, self._world.clock.monotonic()))
        return await super().issue(endpoint, replace(key, id=fresh))


class RevokesInMind(SimVpn):
    async def revoke(self, endpoint: Endpoint, key_id: KeyId) -> None:
        """Call it gone."""


class Talkative(SimVpn):
    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        try:
            return await super().issue(endpoint, key)
        except PortError as error:
            self._tell(error, endpoint)

    def _tell(self, error: PortError, endpoint: Endpoint) -> NoReturn:
        raise type(error)(f"{endpoint.settings['api_url']} failed") from error


class NoLimit(SimVpn):
    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        return await super().issue(endpoint, replace(key, limit=None))


class NoRepair(Provisioning):
    async def _mend(self, report: Report, limits: Mapping[str, int | None], back: set[KeyId]) -> None:
        """Leave it as it is."""

    async def _restore(self, *_: object) -> set[KeyId]:
        """Bring nothing back."""
        return set()


class TidiesUp(Provisioning):
    async def reconcile(self, server_id: ServerId, *, dry_run: bool = False) -> Report:
        report = await Provisioning.reconcile(self, server_id, dry_run=dry_run)
        server = await self.storage.read(lambda uow: uow.servers.get(server_id))
        reached, endpoint = self._reach(server)
        for name in report.foreign:
            await reached.revoke(endpoint, name)  # type: ignore[arg-type]
        return report


class BelievesTimeouts(SimVpn):
    """Takes an unclear answer for a yes, and makes up the rest."""

    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        try:
            return await super().issue(endpoint, key)
        except PortError:
            return "mem:" + "//never made"


class PlacesAreNeverFreed(MemoryServers):
    def free_place(self, server_id: ServerId) -> None:
        """Keep it."""


class PlacesAreFreedTwice(MemoryServers):
    def free_place(self, server_id: ServerId) -> None:
        super().free_place(server_id)
        super().free_place(server_id)


class PlacesAreNotCounted(MemoryServers):
    def take_place(self, server_id: ServerId) -> bool:
        return self.get(server_id).free > 0


class NeverExpires(Expiry):
    def _batch(self, uow: UnitOfWork) -> int:
        now = self.clock.now()
        due = uow.subscriptions.due(now, 500)
        uow.subscriptions.save(*(replace(s, check_at=s.next_check(now, self.policy.grace)) for s in due))
        return len(due)


class ThawsWithoutKeys(Fulfilment):
    async def restore(self, job: Job) -> None:
        await self.storage.write(lambda uow: uow.jobs.finish(job))


class FinishesFirst(Fulfilment):
    """Finishes the job in one commit and grants in the next, and nobody looks at what is left."""

    async def fulfil(self, job: Job) -> None:
        token = self.ids.secret()
        await self.storage.write(lambda uow: uow.jobs.finish(job))

        def work(uow: UnitOfWork) -> None:
            order = uow.orders.lock(job.subject)  # type: ignore[arg-type]
            if order.status == "paid":
                self._deliver(uow, order, token)

        await self.storage.write(work)

    async def sweep(self, _: Job) -> None:
        """Look at nothing."""


class UsageIsTheReading(MemoryKeys):
    def save_usage(self, metered: Iterable[tuple[Key, Key]]) -> None:
        super().save_usage((was, replace(now, used=now.counter)) for was, now in metered)


class OldReadingsAreBooked(MemoryKeys):
    """Books each reading once more after the next one, as a worker does that stood still before it booked."""

    _late: Sequence[tuple[Key, Key]] = ()

    def save_usage(self, metered: Iterable[tuple[Key, Key]]) -> None:
        late, self._late = self._late, list(metered)
        super().save_usage(self._late)
        super().save_usage((self.find(was.id) or was, now) for was, now in late)


BUGS = (
    Bug(
        name="a key has another id on each attempt",
        guard="the id on the server is derived",
        breaks="servers_have_what_is_wanted",
        faults="none",
        plant=vpn(KeyPerAttempt),
    ),
    Bug(
        name="revocations do not reach the server",
        first=2,
        guard="a key is gone when its server said so",
        breaks="servers_have_what_is_wanted",
        faults="none",
        plant=vpn(RevokesInMind),
    ),
    Bug(
        name="an unclear answer is taken for a yes",
        first=5,
        guard="what may have happened is looked at before it is believed",
        breaks="a_live_subscription_has_its_keys",
        faults="servers",
        plant=vpn(BelievesTimeouts),
    ),
    Bug(
        name="an error names the server's secret address",
        first=4,
        guard="errors of adapters hold no secret",
        breaks="no_secret_is_told",
        faults="servers",
        plant=vpn(Talkative),
    ),
    Bug(
        name="the traffic limit is not set",
        first=7,
        guard="a key is issued with its limit",
        breaks="a_live_subscription_has_its_keys",
        faults="none",
        plant=vpn(NoLimit),
    ),
    Bug(
        name="nobody repairs a server that lost its users",
        first=12,
        guard="the reconciler",
        breaks="a_live_subscription_has_its_keys",
        faults="servers",
        plant=instead("provisioning", NoRepair),
    ),
    Bug(
        name="the reconciler removes what it does not know",
        first=4,
        guard="keys that are not ours are left alone",
        breaks="servers_have_what_is_wanted",
        faults="servers",
        plant=instead("provisioning", TidiesUp),
    ),
    Bug(
        name="a place is never given back",
        first=2,
        guard="a place is freed with the key",
        breaks="places_counted_are_keys_placed",
        faults="none",
        plant=repository("servers", PlacesAreNeverFreed),
    ),
    Bug(
        name="a place is given back twice",
        first=9,
        guard="a place is freed once",
        breaks="places_counted_are_keys_placed",
        faults="none",
        plant=repository("servers", PlacesAreFreedTwice),
    ),
    Bug(
        name="a place is not counted when it is taken",
        guard="one conditional statement takes a place",
        breaks="places_counted_are_keys_placed",
        faults="none",
        plant=repository("servers", PlacesAreNotCounted),
    ),
    Bug(
        name="keys stay after the end",
        guard="expiry takes keys away after the grace",
        breaks="an_ended_subscription_has_no_keys",
        faults="none",
        plant=instead("expiry", NeverExpires),
    ),
    Bug(
        name="a dispute that was won brings no key back",
        first=5,
        guard="thawing asks for the keys again",
        breaks="a_live_subscription_has_its_keys",
        faults="none",
        plant=instead("fulfilment", ThawsWithoutKeys),
    ),
    Bug(
        name="an older reading overwrites a newer one",
        guard="traffic is booked where it still is as it was read",
        breaks="traffic_only_grows",
        faults="none",
        plant=repository("keys", OldReadingsAreBooked),
    ),
    Bug(
        name="traffic is what the server counts now",
        first=2,
        guard="usage is our own ledger",
        breaks="traffic_only_grows",
        faults="none",
        plant=repository("keys", UsageIsTheReading),
    ),
)
