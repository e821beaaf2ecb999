"""VPN servers in memory."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from veilbot_adapters.memory.network import Network, Pause, step_aside
from veilbot_core.domain.errors import InvalidInput, Unavailable
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.vpn import Endpoint, KeySpec, Metering, RemoteKey, ServerInfo, Unlisted, Usage, VpnProtocol


@dataclass(slots=True)
class MemoryServer:
    """One server: its keys, and the bytes that it counted, both by remote id."""

    keys: dict[str, RemoteKey] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    down: bool = False
    began: float = 0.0
    """When it started, by the clock of a protocol that counts its uptime."""


class MemoryVpn(Network, VpnProtocol):
    """A protocol whose servers appear when they are first called; ``servers`` shows them.

    Beside the switches of every network adapter, single servers can be `down`, `up`, and can `restart` as Xray does:
    without users and counters. Foreign keys are planted by writing into ``servers[server_id].keys``.

    Without ``limits`` the servers keep none, as V2Ray and Xray; with a clock for ``uptime`` they say since when they
    run, and with ``lists`` false, as V2Ray, nothing else about the keys that they have.
    """

    def __init__(
        self,
        protocol: Protocol = Protocol.OUTLINE,
        *,
        metering: Metering = Metering.COUNTER,
        limits: bool = True,
        lists: bool = True,
        uptime: Clock | None = None,
        pause: Pause = step_aside,
    ) -> None:
        super().__init__(pause)
        self.protocol = protocol
        self._limits = limits
        self._lists = lists
        self._clock = uptime
        self.servers: defaultdict[ServerId, MemoryServer] = defaultdict(MemoryServer)
        self._metering = metering

    def down(self, server_id: ServerId) -> None:
        """Let every call to a server fail with Unavailable until it is `up`."""
        self.servers[server_id].down = True

    def up(self, server_id: ServerId) -> None:
        """Let a server answer again, with the keys that it had."""
        self.servers[server_id].down = False

    def restart(self, server_id: ServerId) -> None:
        """Let a server forget its users and counters."""
        self.servers[server_id] = MemoryServer(began=self._clock.monotonic() if self._clock else 0.0)

    def traffic(self, server_id: ServerId, key_id: KeyId, amount: int) -> None:
        """Let a customer move ``amount`` bytes; without the key on the server nothing moves."""
        server = self.servers[server_id]
        if str(key_id) in server.keys:
            server.counted[str(key_id)] = server.counted.get(str(key_id), 0) + amount

    def url(self, server_id: ServerId, key_id: KeyId) -> str:
        """Return the access URL that a key has."""
        return f"mem://{self.protocol}/{server_id}/{key_id}"

    def settings(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Keep what was given; it must be something, and nothing in it may be empty."""
        if not given:
            raise InvalidInput("a server needs an address", field="address")
        for name, value in given.items():
            if not isinstance(value, str) or not value.strip():
                raise InvalidInput(f"{name} must not be empty", field=name)
        return {name: value.strip() for name, value in given.items()}

    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        """Put the key there or change its limit; the URL of a key is always the same."""
        async with self._reach("issue", endpoint) as server:
            server.keys[str(key.id)] = RemoteKey(id=str(key.id), limit=key.limit)
        return self.url(endpoint.server_id, key.id)

    async def restore(self, endpoint: Endpoint, keys: Sequence[KeySpec]) -> Mapping[KeyId, str]:
        """Put many keys there."""
        async with self._reach("restore", endpoint) as server:
            server.keys.update({str(key.id): RemoteKey(id=str(key.id), limit=key.limit) for key in keys})
        return {key.id: self.url(endpoint.server_id, key.id) for key in keys}

    async def revoke(self, endpoint: Endpoint, key_id: KeyId) -> None:
        """Take the key away; what it counted stays until a restart."""
        async with self._reach("revoke", endpoint) as server:
            server.keys.pop(str(key_id), None)

    async def list(self, endpoint: Endpoint) -> Mapping[str, RemoteKey] | Unlisted:
        """Return a copy of all keys."""
        async with self._reach("list", endpoint) as server:
            if not self._lists:
                return Unlisted(uptime=self._uptime(server) or 0.0)
            if not self._limits:
                return {name: RemoteKey(id=name, limit=None, limited=False) for name in server.keys}
            return dict(server.keys)

    async def usage(self, endpoint: Endpoint) -> Usage:
        """Return the counters of what has moved bytes."""
        async with self._reach("usage", endpoint) as server:
            return Usage(metering=self._metering, bytes_by_key=dict(server.counted))

    async def probe(self, endpoint: Endpoint) -> ServerInfo:
        """Say that it lives."""
        async with self._reach("probe", endpoint) as server:
            return ServerInfo(name=f"memory {self.protocol}", version="1", uptime=self._uptime(server))

    def _uptime(self, server: MemoryServer) -> float | None:
        return None if self._clock is None else float(int(self._clock.monotonic() - server.began))

    @asynccontextmanager
    async def _reach(self, method: str, endpoint: Endpoint) -> AsyncIterator[MemoryServer]:
        async with self._call(method):
            server = self.servers[endpoint.server_id]
            if server.down:
                raise Unavailable(f"server {endpoint.server_id} is down")
            yield server
