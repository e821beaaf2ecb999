"""Fleet: the servers, added, watched and taken out of service."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from veilbot_core.cached import SERVERS, Cached
from veilbot_core.domain.errors import PortError, ProtocolOff
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId, ServerId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.ports.vpn import Endpoint, VpnProtocol
from veilbot_core.steps import made_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A server as an operator describes it; ``endpoint`` holds secrets."""

    name: str
    protocol: Protocol
    country: str
    endpoint: Mapping[str, str]
    capacity: int = 100
    weight: int = 100
    access: AccessLevel = AccessLevel.ALL
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a probe found."""

    server_id: ServerId
    healthy: bool
    milliseconds: int | None
    """How long it took to answer; None if it did not."""
    version: str
    error: str
    """What is wrong, for an operator; holds no secret."""
    uptime: float | None = None
    """Seconds since it began without keys, where a restart loses them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Servers and their health."""

    storage: Storage
    protocols: Mapping[Protocol, VpnProtocol]
    secrets: Secrets
    cached: Cached
    clock: Clock
    ids: Ids
    policy: Policy

    async def add(self, draft: Draft, *, probe: bool = True, request: UUID | None = None) -> Server:
        """Put a server into service, the same ``request`` once; it is asked for a sign of life before it is saved.

        Raises:
            InvalidInput: naming the field.
            ProtocolOff, Unavailable, Rejected: the probe failed; nothing was saved.
            AlreadyExists: the name is taken.
        """
        vpn = self._adapter(draft.protocol)
        settings = vpn.settings(draft.endpoint)
        server_id = ServerId(self.ids.new())
        server = Server(
            id=server_id,
            name=draft.name,
            protocol=draft.protocol,
            country=draft.country,
            endpoint=self.secrets.seal(json.dumps(dict(settings)), server_id),
            capacity=draft.capacity,
            weight=draft.weight,
            access=draft.access,
            group=draft.group,
            created_at=self.clock.now(),
        )
        if probe:
            await vpn.probe(Endpoint(server_id=server_id, settings=settings))

        def work(uow: UnitOfWork) -> Server:
            earlier = made_before(uow, request, server.id)
            if earlier is not None:
                return uow.servers.get(ServerId(earlier))
            uow.servers.add(server)
            return server

        return await self.cached.write(work, SERVERS)

    async def all(self) -> Sequence[Server]:
        """Return every server, oldest first."""
        return await self.storage.read(lambda uow: uow.servers.all())

    async def get(self, server_id: ServerId) -> Server:
        """Return a server. Raises NotFound."""
        return await self.storage.read(lambda uow: uow.servers.get(server_id))

    async def turn(self, server_id: ServerId, status: ServerStatus) -> Server:
        """Put a server into service, let it drain, or stop calling it. Raises NotFound."""
        return await self._change(server_id, lambda server: server.turn(status))

    async def resize(self, server_id: ServerId, capacity: int) -> Server:
        """Let a server have another number of keys; whoever waits for a place is served within a minute.

        Raises:
            NotFound, InvalidInput: nothing was changed.
        """
        return await self._change(server_id, lambda server: server.resize(capacity))

    async def status(self) -> Sequence[Health]:
        """Return the health of every server in use, probed side by side at most every ``policy.status_ttl``."""
        return await self.cached.recall("status", self.policy.status_ttl, self._probe_all, _healths)

    async def probe(self, _: Job) -> None:
        """Look at every server and remember who does not answer; the operator hears of each change once.

        One that may have restarted since the last look, and loses its keys when it does, is reconciled.
        """
        lately = 2 * self.policy.every[JobKind.PROBE].total_seconds()
        found = {health.server_id: health for health in await self._probe_all()}

        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            for before in uow.servers.all():
                health = found.get(before.id)
                if health and health.uptime is not None and (health.uptime < lately or before.down_since):
                    uow.jobs.ask(Job.ask(JobKind.RECONCILE_SERVER, before.id, now))
                if health is None or health.healthy == (before.down_since is None):
                    continue
                uow.servers.save(uow.servers.lock(before.id).probed(healthy=health.healthy, at=now))
                kind = EventType.SERVER_UP if health.healthy else EventType.SERVER_DOWN
                uow.publish(Event(id=EventId(self.ids.new()), type=kind, subject=before.id, at=now))

        await self.cached.write(work, SERVERS)

    async def _change(self, server_id: ServerId, change: Callable[[Server], Server]) -> Server:
        def work(uow: UnitOfWork) -> Server:
            server = change(uow.servers.lock(server_id))
            uow.servers.save(server)
            return server

        return await self.cached.write(work, SERVERS)

    async def _probe_all(self) -> Sequence[Health]:
        servers = [s for s in await self.all() if s.status is not ServerStatus.DISABLED]
        return await asyncio.gather(*(self._look(server) for server in servers))

    async def _look(self, server: Server) -> Health:
        began = self.clock.monotonic()
        try:
            vpn = self._adapter(server.protocol)
            info = await vpn.probe(Endpoint.of(server, self.secrets))
        except (PortError, ProtocolOff) as error:
            return Health(server_id=server.id, healthy=False, milliseconds=None, version="", error=str(error))
        took = round((self.clock.monotonic() - began) * 1000)
        return Health(
            server_id=server.id, healthy=True, milliseconds=took, version=info.version, error="", uptime=info.uptime
        )

    def _adapter(self, protocol: Protocol) -> VpnProtocol:
        vpn = self.protocols.get(protocol)
        if vpn is None:
            raise ProtocolOff(f"there is no adapter for {protocol}")
        return vpn


def _healths(kept: bytes) -> Sequence[Health]:
    return [Health(**row | {"server_id": ServerId(UUID(row["server_id"]))}) for row in json.loads(kept)]
