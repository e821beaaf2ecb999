"""A core that is replaced between our look at its inbound and the user that follows gets no user.

An account of another protocol would end it. The answer to the look is late here: it arrives when the next core, with
another protocol under the same tag, listens already.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import pytest
from tests.adapters.vpn.test_v2ray import KEY, adapter, reach
from tests.tunnel import Tunnel
from tests.waiting import PATIENCE

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_adapters.vpn.v2ray_accounts import Flavour, user
from veilbot_adapters.vpn.v2ray_api import CoreApi, Said
from veilbot_adapters.vpn.v2ray_core import NOBODY
from veilbot_core.domain.errors import PortError, Rejected, Unavailable, Unknown
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.vpn import Endpoint, KeySpec
from veilbot_runners.sandbox.v2ray_server import V2RayServer
from veilbot_runners.sandbox.v2ray_state import V2RayState

MANY = [KeySpec(id=KeyId(UUID(int=number)), name="key", limit=None) for number in range(1, 200)]


@asynccontextmanager
async def tunnelled(server: V2RayServer) -> AsyncIterator[Tunnel]:
    async with Tunnel(int(server.api.rpartition(":")[2])).open() as tunnel:
        yield tunnel


@pytest.fixture
async def server() -> AsyncIterator[V2RayServer]:
    server = V2RayServer("one")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def vpn() -> AsyncIterator[V2RayProtocol]:
    async with adapter() as protocol:
        yield protocol


async def put(vpn: V2RayProtocol, endpoint: Endpoint, many: int) -> None:
    await (vpn.restore(endpoint, MANY[:many]) if many else vpn.issue(endpoint, KEY))


async def put_somehow(vpn: V2RayProtocol, endpoint: Endpoint, many: int) -> None:
    """Try until there is an answer: that the old connection has ended may be heard only with the next call."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable, Unknown):
                return await put(vpn, endpoint, many)


@pytest.mark.parametrize("flavour", ["v2ray", "xray"])
@pytest.mark.parametrize("many", [0, 1, 199])
@pytest.mark.parametrize("known", [False, True], ids=["first-call", "later-call"])
async def test_a_core_that_is_replaced_after_the_look_gets_no_user(
    vpn: V2RayProtocol,
    server: V2RayServer,
    flavour: str,
    many: int,
    known: bool,  # noqa: FBT001
) -> None:
    server.state = V2RayState(flavour=flavour, inbounds={"in": "vless"})

    async def replace() -> None:
        await server.stop()
        server.state = V2RayState(flavour=flavour, inbounds={"in": "trojan"})
        await server.start()

    async with tunnelled(server) as tunnel:
        endpoint = reach(vpn, f"127.0.0.1:{tunnel.port}", tag="in")
        if known:
            await put(vpn, endpoint, many)
            await vpn.probe(endpoint)
        tunnel.arm(NOBODY.encode(), replace)
        with pytest.raises(PortError) as caught:
            await put(vpn, endpoint, many)
        assert tunnel.sprung == 1
        assert server.state.crashes == 0
        assert isinstance(caught.value, Unavailable | Unknown)
        with pytest.raises(Rejected, match="speaks trojan"):
            await put_somehow(vpn, endpoint, many)
        assert server.state.crashes == 0
        assert server.state.users == {"in": []}


async def test_a_change_that_has_begun_goes_to_the_core_that_it_began_with_or_nowhere(server: V2RayServer) -> None:
    server.state = old = V2RayState(inbounds={"in": "vless"})
    settings = {"api": server.api, "inbound": "in", "proxy": "vless", "secret": "s" * 20}
    operation = pb.AddUserOperation(user=user(Flavour.XRAY, KEY.id, settings)).SerializeToString()
    typed = pb.TypedMessage(type="xray.app.proxyman.command.AddUserOperation", value=operation)
    api = CoreApi(settings, timeout=60.0, allow_private=False)
    async with api.begun(Flavour.XRAY, 3) as (first, second, third):
        assert await first.send(pb.AlterInboundRequest(tag="in", operation=typed)) is None
        await server.stop()
        server.state = V2RayState(inbounds={"in": "vless"})
        await server.start()
        with pytest.raises((Unavailable, Unknown)):
            await second.send(pb.AlterInboundRequest(tag="in", operation=typed))
        found = await api.ask(
            "/xray.app.stats.command.StatsService/GetSysStats", pb.SysStatsRequest(), pb.SysStatsResponse
        )
        assert not isinstance(found, Said)  # the channel has a connection again, to the next core
        with pytest.raises(Unavailable):
            await third.send(pb.AlterInboundRequest(tag="in", operation=typed))
    await api.close()
    assert len(old.users["in"]) == 1
    assert server.state.users["in"] == []


async def test_a_change_that_is_not_sent_changes_nothing(server: V2RayServer) -> None:
    api = CoreApi({"api": server.api, "inbound": "in"}, timeout=60.0, allow_private=False)
    async with api.begun(Flavour.XRAY, 2):
        pass
    await api.ask("/xray.app.stats.command.StatsService/GetSysStats", pb.SysStatsRequest(), pb.SysStatsResponse)
    await api.close()
    assert server.calls == 1


async def test_no_change_has_begun_before_it_has_its_connection(server: V2RayServer) -> None:
    api, looked = CoreApi({"api": server.api, "inbound": "in"}, timeout=5.0, allow_private=False), False
    await server.stop()
    with pytest.raises(Unavailable, match="before anything was sent"):
        async with api.begun(Flavour.XRAY, 2):
            looked = True
    await api.close()
    assert not looked
