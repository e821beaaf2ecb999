"""The contract of the VPN port, over the memory adapter and over the wires of Outline, V2Ray and Xray."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from tests.contracts.vpn_worlds import CoreWorld, MemoryWorld, OutlineWorld
from tests.waiting import PATIENCE

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.testing.vpn import VpnContract, VpnSubject
from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.outline_server import Outage
from veilbot_runners.sandbox.v2ray import V2RaySandbox
from veilbot_runners.sandbox.v2ray_server import Outage as CoreOutage
from veilbot_runners.sandbox.v2ray_state import V2RayState


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[OutlineSandbox]:
    async with OutlineSandbox({"one": 0, "two": 0}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
async def cores() -> AsyncIterator[V2RaySandbox]:
    async with V2RaySandbox({"one": 0, "two": 0}) as sandbox:
        yield sandbox


class TestVpnProtocol(VpnContract):
    @pytest.fixture(params=["memory", "outline", "xray/vless", "xray/shadowsocks", "v2ray/vmess"])
    async def subject(
        self, request: pytest.FixtureRequest, sandbox: OutlineSandbox, cores: V2RaySandbox
    ) -> AsyncIterator[VpnSubject]:
        if request.param == "memory":
            yield MemoryWorld()
            return
        clock = MemoryClock()
        guards = Guards(clock, MemoryIds(clock), Limits(attempts=1, timeout=PATIENCE, wait=PATIENCE))
        async with AsyncExitStack() as stack:
            if request.param == "outline":
                outline = OutlineProtocol(guards, allow_private=True)
                stack.push_async_callback(outline.close)
                yield OutlineWorld(sandbox, outline)
            else:
                flavour, _, proxy = request.param.partition("/")
                for core in cores.servers.values():
                    core.state = V2RayState(flavour=flavour, inbounds={"in": proxy})
                v2ray = V2RayProtocol(guards, clock, MemoryIds(clock), allow_private=True)
                stack.push_async_callback(v2ray.close)
                yield CoreWorld(cores, v2ray, proxy)
        for server in sandbox.servers.values():
            server.state.keys.clear()
            server.state.traffic.clear()
            await sandbox.play(server.name, Outage.NONE)
        for core in cores.servers.values():
            await core.play(CoreOutage.NONE)
