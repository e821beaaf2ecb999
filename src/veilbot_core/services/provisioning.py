"""Provisioning: making servers agree with what we want; the reconciler."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from veilbot_core.domain.errors import Conflict, PortError, ProtocolOff, Rejected, Unavailable, Unknown
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import ABSENT, Key
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.reconciling import Report, compare, observation
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.ports.vpn import Endpoint, KeySpec, Metering, RemoteKey, Unlisted, Usage, VpnProtocol
from veilbot_core.steps import about, complete, want

_BATCH = 500
_WATCHED = 2
"""The attempt at a key whose failure lets its server be watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioning:
    """One loop for issue, renewal, expiry, revocation and repair, idempotent by key id."""

    storage: Storage
    protocols: Mapping[Protocol, VpnProtocol]
    secrets: Secrets
    clock: Clock
    ids: Ids
    policy: Policy
    failpoints: Failpoints

    async def apply(self, job: Job) -> None:
        """Make a key's server have what we want of it.

        While a server does not answer, its keys come again ever more rarely; at the second failure of one of them the
        server itself is watched, by one job that asks often and brings all of them when it is back.

        Raises:
            Unavailable, Unknown: to be tried again; nothing but time is lost.
            Rejected: the server refuses; written at the key for the operator.
        """

        def look(uow: UnitOfWork) -> tuple[Key, Server]:
            key = uow.keys.get(KeyId(job.subject))
            return key, uow.servers.get(key.server_id)

        key, server = await self.storage.read(look)
        url: str | None = None
        if not key.settled:
            vpn, endpoint = self._reach(server)
            await self.failpoints.reach(Point.BEFORE_CALL)
            try:
                url = await _make_so(vpn, endpoint, key)
            except Rejected as error:
                note = str(error)
                await self.storage.write(lambda uow: self._refused(uow, key.id, note))
                raise
            except (Unavailable, Unknown):
                if job.attempts == _WATCHED:
                    await self.storage.write(lambda uow: self._watch(uow, server.id))
                raise
            await self.failpoints.reach(Point.ANSWERED)
        await self.storage.write(lambda uow: self._applied(uow, job, key, url))
        await self.failpoints.reach(Point.APPLIED)

    async def recheck(self, job: Job) -> None:
        """Have a key's server told once more what we want: somebody whose turn was over may have called it last."""

        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            (key,) = uow.keys.lock_all([KeyId(job.subject)])
            uow.keys.save(key.doubt(now))
            uow.jobs.ask(Job.ask(JobKind.APPLY_KEY, key.id, now))
            uow.jobs.finish(job)

        await self.storage.write(work)

    async def reconcile(self, server_id: ServerId, *, dry_run: bool = False) -> Report:
        """Compare a server with what we want, book its traffic, bring back what it lost, and ask for the rest.

        Keys that are not ours are reported and left alone; at most ``policy.removals`` are removed in a pass.
        """
        server = await self.storage.read(lambda uow: uow.servers.get(server_id))
        if server.status is ServerStatus.DISABLED:
            raise Conflict(f"server {server.name} is disabled: it is not called at all")
        vpn, endpoint = self._reach(server)
        began = self.clock.now()
        remote = await vpn.list(endpoint)
        sure = self.clock.now() + self.policy.lease  # longer than any call and its record may be apart
        keys = await self._keys_of(server_id)
        limits = _limits(remote, keys, sure)
        report = compare(server_id, keys, limits, began=began, removals=self.policy.removals)
        if not dry_run:
            await self._meter(keys, await vpn.usage(endpoint))  # read after them: a reading is newer than the ledger
            missing = set(report.missing)
            back = await self._restore(vpn, endpoint, [k for k in keys if k.id in missing])
            await self._mend(report, limits, back)
            await self._hurry([k.id for k in keys if not k.settled and k.id not in missing])
        return report

    async def reconcile_server(self, job: Job) -> None:
        """Reconcile one server as a job; a disabled one is left alone."""
        server = await self.storage.read(lambda uow: uow.servers.get(ServerId(job.subject)))
        if server.status is not ServerStatus.DISABLED:
            await self.reconcile(server.id)
        await self.storage.write(lambda uow: uow.jobs.finish(job))

    async def reconcile_all(self, _: Job) -> None:
        """Ask for a pass over every server that is in use."""

        def work(uow: UnitOfWork) -> None:
            used = [s for s in uow.servers.all() if s.status is not ServerStatus.DISABLED]
            uow.jobs.ask(*(Job.ask(JobKind.RECONCILE_SERVER, s.id, self.clock.now()) for s in used))

        await self.storage.write(work)

    def _reach(self, server: Server) -> tuple[VpnProtocol, Endpoint]:
        if server.status is ServerStatus.DISABLED:
            raise Unavailable(f"server {server.name} is disabled")
        vpn = self.protocols.get(server.protocol)
        if vpn is None:
            raise ProtocolOff(f"there is no adapter for {server.protocol}")
        return vpn, Endpoint.of(server, self.secrets)

    def _applied(self, uow: UnitOfWork, job: Job, called: Key, url: str | None) -> None:
        """Record what the server has now, and finish the order that waited for it."""
        now = self.clock.now()
        order = uow.orders.find(called.order_id) if called.order_id else None
        locked = {key.id: key for key in uow.keys.lock_all([called.id, called.replaces or called.id])}
        key = before = locked[called.id]
        if not called.settled:
            sealed = self.secrets.seal(url, key.id) if url is not None else None
            key = key.seen(called.desired, now, sealed)
            if key.placed and not key.desired.present and not key.observed.present:
                uow.servers.free_place(key.server_id)
                key = key.place(held=False)
            if key.works and key.replaces in locked:
                key = self._take_over(uow, key, locked[key.replaces], now)
            uow.keys.save(key)
            self._tell(uow, before, key)
        if not key.settled:  # wanted otherwise meanwhile
            uow.jobs.ask(Job.ask(JobKind.APPLY_KEY, key.id, now))
        if order is not None:
            complete(uow, self.ids, order, uow.keys.of_subscriptions([key.subscription_id]), now)
        uow.jobs.finish(job)

    def _take_over(self, uow: UnitOfWork, key: Key, replaced: Key, now: datetime) -> Key:
        """Let the key go that the customer used until this one worked; the customer hears of it."""
        want(uow, [replaced], ABSENT, now)
        servers = {"server_id": str(key.server_id), "from_server_id": str(replaced.server_id)}
        uow.publish(about(self.ids, EventType.KEY_MOVED, key, now, **servers))
        return key.take_over(None)

    def _tell(self, uow: UnitOfWork, before: Key, after: Key) -> None:
        kind = EventType.KEY_CHANGED
        if after.observed.present and not before.observed.present:
            kind = EventType.KEY_ISSUED
        elif before.observed.present and not after.observed.present:
            kind = EventType.KEY_REVOKED
        uow.publish(about(self.ids, kind, after, after.changed_at, server_id=str(after.server_id)))

    def _watch(self, uow: UnitOfWork, server_id: ServerId) -> None:
        uow.jobs.ensure(Job.ask(JobKind.RECONCILE_SERVER, server_id, self.clock.now()))

    def _refused(self, uow: UnitOfWork, key_id: KeyId, note: str) -> None:
        now = self.clock.now()
        key = uow.keys.lock(key_id)
        if key.note != note[:200]:
            key = key.refused(note, now)
            uow.keys.save(key)
            uow.publish(about(self.ids, EventType.KEY_REFUSED, key, now, server_id=str(key.server_id)))

    async def _keys_of(self, server_id: ServerId) -> Sequence[Key]:
        keys: list[Key] = []
        while True:
            after = keys[-1].id if keys else None
            page = await self.storage.read(_page_of(server_id, after))
            keys.extend(page)
            if len(page) < _BATCH:
                return keys

    async def _meter(self, keys: Sequence[Key], usage: Usage) -> None:
        counts_up = usage.metering is Metering.COUNTER
        readings = dict(usage.bytes_by_key)
        if counts_up:  # what has counted once counts until a restart, which this is
            readings |= {str(k.id): 0 for k in keys if k.counter and str(k.id) not in readings}
        changed = [k for k in keys if str(k.id) in readings and k.counter != readings[str(k.id)]]
        metered = [(k, k.metered(readings[str(k.id)], counts_up=counts_up)) for k in changed]
        for start in range(0, len(metered), _BATCH):
            await self.storage.write(_save_usage(metered[start : start + _BATCH]))

    async def _restore(self, vpn: VpnProtocol, endpoint: Endpoint, lost: Sequence[Key]) -> set[KeyId]:
        """Put many keys there at once, whether they were lost or never came; return those that are there."""
        back: set[KeyId] = set()
        for start in range(0, len(lost), _BATCH):
            batch = lost[start : start + _BATCH]
            try:
                urls = await vpn.restore(endpoint, [_spec(key) for key in batch])
            except PortError:
                break  # each of the others gets a job, which says what is wrong
            await self.storage.write(self._restored(batch, urls))
            back.update(urls)
            if len(urls) < len(batch):
                break
        return back

    def _restored(self, called: Sequence[Key], urls: Mapping[KeyId, str]) -> Callable[[UnitOfWork], None]:
        states = {key.id: key.desired for key in called}

        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            keys = uow.keys.lock_all(list(urls))
            seen = [key.seen(states[key.id], now, self.secrets.seal(urls[key.id], key.id)) for key in keys]
            uow.keys.save(*seen)
            new = {key.id for key in keys if not key.observed.present}
            for before, after in zip(keys, seen, strict=True):
                if before.id in new:
                    self._tell(uow, before, after)
            unfinished = [key.id for key in seen if key.id in new or not key.settled]  # an order may wait for a new one
            uow.jobs.ask(*(Job.ask(JobKind.APPLY_KEY, key_id, now) for key_id in unfinished))

        return work

    async def _mend(self, report: Report, limits: Mapping[str, int | None], back: set[KeyId]) -> None:
        allowed = len(report.surplus) - report.withheld
        missing = [key_id for key_id in report.missing if key_id not in back]
        ids = [*missing, *report.surplus[:allowed], *report.differing]
        for start in range(0, len(ids), _BATCH):
            await self.storage.write(self._observe(ids[start : start + _BATCH], limits))

    async def _hurry(self, ids: Sequence[KeyId]) -> None:
        """Ask now for keys that wait, perhaps for long, and of which the server had something to say."""

        def asking(batch: Sequence[KeyId]) -> Callable[[UnitOfWork], None]:
            now = self.clock.now()
            return lambda uow: uow.jobs.ask(*(Job.ask(JobKind.APPLY_KEY, key_id, now) for key_id in batch))

        for start in range(0, len(ids), _BATCH):
            await self.storage.write(asking(ids[start : start + _BATCH]))

    def _observe(self, ids: Sequence[KeyId], limits: Mapping[str, int | None]) -> Callable[[UnitOfWork], None]:
        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            keys = uow.keys.lock_all(ids)
            seen = [key.seen(observation(key, limits), now) for key in keys]
            uow.keys.save(*seen)
            uow.jobs.ask(*(Job.ask(JobKind.APPLY_KEY, key.id, now) for key in seen if not key.settled))

        return work


def _page_of(server_id: ServerId, after: KeyId | None) -> Callable[[UnitOfWork], Sequence[Key]]:
    return lambda uow: uow.keys.of_server(server_id, limit=_BATCH, after=after)


def _save_usage(metered: Sequence[tuple[Key, Key]]) -> Callable[[UnitOfWork], None]:
    return lambda uow: uow.keys.save_usage(metered)


async def _make_so(vpn: VpnProtocol, endpoint: Endpoint, key: Key) -> str | None:
    """Call the server; return the access URL of a key that is there now."""
    if not key.desired.present:
        await vpn.revoke(endpoint, key.id)
        return None
    return await vpn.issue(endpoint, _spec(key))


def _spec(key: Key) -> KeySpec:
    return KeySpec(id=key.id, name=key.name, limit=key.desired.limit)


def _limits(
    remote: Mapping[str, RemoteKey] | Unlisted, keys: Sequence[Key], sure: datetime
) -> Mapping[str, int | None]:
    """Return the limits of what the server has, by remote id.

    One that cannot list has what we saw there since it started; ``sure`` is now, and a while for what was put there
    just before the start and recorded after it. That is restored once more than it needs to be.
    """
    if isinstance(remote, Unlisted):
        since = sure - timedelta(seconds=remote.uptime)
        return {str(k.id): k.observed.limit for k in keys if k.observed.present and k.changed_at > since}
    wanted = {str(key.id): key.desired.limit for key in keys}
    return {name: key.limit if key.limited else wanted.get(name) for name, key in remote.items()}
