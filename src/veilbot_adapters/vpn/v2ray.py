"""V2Ray and Xray servers: keys as users of one inbound, put there through the core's gRPC API.

The cores keep users and counters in memory: a restart loses them, and the reconciler brings them back.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

from google.protobuf.message import DecodeError

from veilbot_adapters.resilience import Effect, Guards
from veilbot_adapters.vpn.v2ray_accounts import Flavour
from veilbot_adapters.vpn.v2ray_api import CoreApi
from veilbot_adapters.vpn.v2ray_core import CoreServer
from veilbot_adapters.vpn.v2ray_links import link
from veilbot_adapters.vpn.v2ray_settings import checked
from veilbot_core.domain.errors import InvalidInput, PortError, Rejected
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.vpn import (
    Endpoint,
    KeySpec,
    Metering,
    RemoteKey,
    ServerInfo,
    Unlisted,
    Usage,
    VpnProtocol,
)

T = TypeVar("T")
_PROBE = 3.0
_RESTORE = 20.0
"""Seconds for one restore."""
_TOGETHER = 64
"""Users of one call in a restore, over one connection; a proxy takes 100 requests at once or more."""
_SERVERS = 1024
_NAMES = {Flavour.V2RAY: "V2Ray", Flavour.XRAY: "Xray"}


class V2RayProtocol(VpnProtocol):
    """All V2Ray and Xray servers; one channel each, and none while nobody needs it.

    ``local_ports`` are those on this machine that may be called; with ``allow_private`` any may.
    """

    def __init__(
        self, guards: Guards, clock: Clock, ids: Ids, *, allow_private: bool, local_ports: Collection[int] = ()
    ) -> None:
        self._guards = guards
        self._clock = clock
        self._ids = ids
        self._allow_private = allow_private
        self._local_ports = frozenset(local_ports)
        self._servers: OrderedDict[ServerId, tuple[Mapping[str, str], CoreServer]] = OrderedDict()

    async def close(self) -> None:
        """End all connections."""
        while self._servers:
            await self._servers.popitem()[1][1].close()

    def settings(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Check ``api``, ``inbound``, ``address``, ``port`` and what the links need.

        Raises:
            InvalidInput: naming the field.
        """
        return self._checked(given, self._ids.secret)

    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        """Make the key be there; return its share link. The cores keep no limits."""
        await self._call(endpoint, lambda server: server.add({key.id}), Effect.ONCE)
        return link(key.id, key.name, endpoint.settings)

    async def restore(self, endpoint: Endpoint, keys: Sequence[KeySpec]) -> Mapping[KeyId, str]:
        """Make lost keys be there again, many in one call; a call that fails is tried again as any other.

        That is safe because each attempt looks before it adds, and adds only who is not known to be there.
        """
        urls: dict[KeyId, str] = {}
        began, left = self._clock.monotonic(), _RESTORE
        for start in range(0, len(keys), _TOGETHER):
            batch = keys[start : start + _TOGETHER]
            waiting = {key.id for key in batch}
            try:
                await self._call(endpoint, partial(_add, waiting), Effect.REPEATABLE, patience=left)
            except PortError:
                if not urls and len(waiting) == len(batch):
                    raise
            urls |= {key.id: link(key.id, key.name, endpoint.settings) for key in batch if key.id not in waiting}
            left = _RESTORE - (self._clock.monotonic() - began)
            if waiting or left <= 0:
                break
        return urls

    async def revoke(self, endpoint: Endpoint, key_id: KeyId) -> None:
        """Make the key be gone. Open connections live on."""
        await self._call(endpoint, lambda server: server.remove(key_id), Effect.ONCE)

    async def list(self, endpoint: Endpoint) -> Mapping[str, RemoteKey] | Unlisted:
        """Return all users of the inbound by their remote id; V2Ray can only tell since when it runs."""
        return await self._call(endpoint, _list)

    async def usage(self, endpoint: Endpoint) -> Usage:
        """Return traffic by remote id, up and down, since the core started; of all its inbounds."""
        counted = await self._call(endpoint, lambda server: server.counters())
        return Usage(metering=Metering.COUNTER, bytes_by_key=counted)

    async def probe(self, endpoint: Endpoint) -> ServerInfo:
        """Ask who answers, and see that the inbound speaks what the operator said."""
        return await self._call(endpoint, partial(_probe, endpoint.settings), patience=_PROBE)

    async def _call(
        self,
        endpoint: Endpoint,
        work: Callable[[CoreServer], Awaitable[T]],
        effect: Effect = Effect.NONE,
        *,
        patience: float | None = None,
    ) -> T:
        server = await self._server(endpoint)

        async def guarded() -> T:
            try:
                return await work(server)
            except DecodeError as error:
                raise Rejected("the server sends what cannot be read: check api") from error

        guard = self._guards.get(f"V2Ray server {endpoint.server_id}")
        return await guard.call(guarded, effect, patience=patience)

    def _checked(self, given: Mapping[str, str], secret: Callable[[], str]) -> Mapping[str, str]:
        return checked(given, allow_private=self._allow_private, local_ports=self._local_ports, secret=secret)

    async def _server(self, endpoint: Endpoint) -> CoreServer:
        """Return the server's client; new settings mean a new one."""
        known = self._servers.get(endpoint.server_id)
        if known is not None and known[0] == endpoint.settings:
            self._servers.move_to_end(endpoint.server_id)
            return known[1]
        try:
            settings = self._checked(endpoint.settings, str)
        except InvalidInput as error:
            raise Rejected(
                f"what is stored about this server is not usable ({error}): mend that, or add it again"
            ) from error
        if not settings["secret"]:  # another one would open other doors than those that were sold
            raise Rejected("what is stored about this server has lost its secret: add it again")
        api = CoreApi(settings, timeout=self._guards.limits.timeout, allow_private=self._allow_private)
        old = known or (self._servers.popitem(last=False)[1] if len(self._servers) >= _SERVERS else None)
        made = CoreServer(api, settings)
        self._servers[endpoint.server_id] = (dict(endpoint.settings), made)
        if old is not None:
            await old[1].close()
        return made


async def _add(waiting: set[KeyId], server: CoreServer) -> None:
    await server.add(waiting)


async def _list(server: CoreServer) -> Mapping[str, RemoteKey] | Unlisted:
    users = await server.users()
    if users is None:
        return Unlisted(uptime=(await server.identify()).uptime)
    return {name: RemoteKey(id=name, limit=None, limited=False) for name in users}


async def _probe(settings: Mapping[str, str], server: CoreServer) -> ServerInfo:
    identity = await server.identify()
    await server.inspect(identity.flavour)
    name = f"{_NAMES[identity.flavour]}, {settings['proxy']}"
    return ServerInfo(name=name, version="not told", uptime=identity.uptime)
