"""Adapters for VPN servers with a hand on their servers, for the contract."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from tests.waiting import PATIENCE, until

from veilbot_adapters.memory.vpn import MemoryVpn
from veilbot_adapters.testing.vpn import VpnSubject
from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_adapters.vpn.v2ray_accounts import email, remote_id
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, RemoteKey
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.outline_server import Outage
from veilbot_runners.sandbox.v2ray import V2RaySandbox
from veilbot_runners.sandbox.v2ray_server import Outage as CoreOutage


def hurry(vpn: OutlineProtocol | V2RayProtocol, seconds: float) -> None:
    """Let its calls to the servers that it has met take no longer; what was sent on an open connection arrives."""
    for guard in vpn._guards._guards.values():
        guard.limits = replace(guard.limits, timeout=seconds)


class MemoryWorld(VpnSubject):
    """The memory adapter."""

    def __init__(self) -> None:
        self.vpn: MemoryVpn = MemoryVpn()
        self.given = {"address": "somewhere"}

    def endpoint(self, index: int = 0) -> Endpoint:
        return Endpoint(server_id=ServerId(UUID(int=index + 1)), settings=self.given)

    async def there(self, index: int = 0) -> set[str]:
        return set(self.vpn.servers[self.endpoint(index).server_id].keys)

    async def foreign(self, key_id: str) -> None:
        self.vpn.servers[self.endpoint().server_id].keys[key_id] = RemoteKey(id=key_id, limit=None)

    async def carry(self, key_id: KeyId, count: int) -> None:
        self.vpn.traffic(self.endpoint().server_id, key_id, count)

    async def down(self) -> None:
        self.vpn.down(self.endpoint().server_id)

    async def up(self) -> None:
        self.vpn.up(self.endpoint().server_id)

    async def lose_answer(self) -> None:
        self.vpn.apply_then_fail()


class OutlineWorld(VpnSubject):
    """The Outline adapter against the sandbox's servers."""

    def __init__(self, sandbox: OutlineSandbox, vpn: OutlineProtocol) -> None:
        self.vpn: OutlineProtocol = vpn
        self._sandbox = sandbox
        self._servers = list(sandbox.servers.values())
        self.given = self._given(0)

    def _given(self, index: int) -> Mapping[str, str]:
        server = self._servers[index]
        return {"api_url": server.api_url, "cert_sha256": server.cert_sha256}

    def endpoint(self, index: int = 0) -> Endpoint:
        return Endpoint(server_id=ServerId(UUID(int=index + 1)), settings=self.vpn.settings(self._given(index)))

    async def there(self, index: int = 0) -> set[str]:
        return set(self._servers[index].keys)

    async def foreign(self, key_id: str) -> None:
        self._servers[0].state.add(key_id, {})

    async def carry(self, key_id: KeyId, count: int) -> None:
        self._servers[0].carry(str(key_id), count)

    async def down(self) -> None:
        await self._sandbox.play(self._servers[0].name, Outage.DOWN)

    async def up(self) -> None:
        await self._sandbox.play(self._servers[0].name, Outage.NONE)
        hurry(self.vpn, PATIENCE)

    async def lose_answer(self) -> None:
        await self.vpn.probe(self.endpoint())
        await self._sandbox.play(self._servers[0].name, Outage.LOST)
        hurry(self.vpn, 0.5)


class CoreWorld(VpnSubject):
    """The V2Ray adapter against the sandbox's cores."""

    def __init__(self, sandbox: V2RaySandbox, vpn: V2RayProtocol, proxy: str) -> None:
        self.vpn: V2RayProtocol = vpn
        self._servers = list(sandbox.servers.values())
        method = {"method": "aes-128-gcm"} if proxy == "shadowsocks" else {}
        rest = {"inbound": "in", "address": "vpn.example.com", "port": "443", "proxy": proxy, **method}
        self._given = [{"api": server.api, **rest} for server in self._servers]
        self.given = self._given[0]
        self._kept = [vpn.settings(given) for given in self._given]  # once: it makes the server's secret

    def endpoint(self, index: int = 0) -> Endpoint:
        return Endpoint(server_id=ServerId(UUID(int=index + 1)), settings=self._kept[index])

    async def there(self, index: int = 0) -> set[str]:
        return {remote_id(user.email) for user in self._servers[index].state.users["in"]}

    async def foreign(self, key_id: str) -> None:
        self._servers[0].state.users["in"].append(pb.User(email=key_id))

    async def carry(self, key_id: KeyId, count: int) -> None:
        self._servers[0].carry(email(key_id), count)

    async def down(self) -> None:
        await self._servers[0].play(CoreOutage.DOWN)

    async def up(self) -> None:
        await self._servers[0].play(CoreOutage.NONE)

    async def lose_answer(self) -> None:
        """Let the connection end as soon as the core has done it."""
        core = self._servers[0]
        before = core.state.changes
        await core.play(CoreOutage.LOST)

        async def cut() -> None:
            await until(lambda: core.state.changes != before)
            serving, core._server = core._server, None
            assert serving is not None
            await serving.stop(None)

        self._cut = asyncio.get_running_loop().create_task(cut())
