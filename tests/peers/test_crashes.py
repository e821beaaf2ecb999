"""Six calls end a core's whole process; none of ours is one of them, whatever the operator says or does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest
from tests.peers.cores import Core, ended, free_port, inbound, server_config
from tests.tunnel import Tunnel
from tests.waiting import until

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_adapters.vpn.v2ray_accounts import Flavour, user
from veilbot_adapters.vpn.v2ray_core import NOBODY
from veilbot_core.domain.errors import PortError, Rejected
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec, Unlisted

PROXIES = ("vless", "vmess", "trojan", "shadowsocks")
EXTRA: Mapping[str, Mapping[str, str]] = {
    "trojan": {"security": "tls", "sni": "example.com"},
    "shadowsocks": {"method": "aes-128-gcm"},
}


@dataclass(frozen=True, kw_only=True)
class Server:
    """A core with one inbound per protocol, each under the protocol's name."""

    core: Core
    api: int
    ports: Mapping[str, int]

    def settings(self, tag: str, proxy: str, flavour: str = "auto") -> Mapping[str, str]:
        where = {"api": f"127.0.0.1:{self.api}", "address": "127.0.0.1", "port": "443"}
        return {**where, "inbound": tag, "proxy": proxy, "flavour": flavour, **EXTRA.get(proxy, {})}

    def swapped(self, tag: str, proxy: str) -> Mapping[str, object]:
        """Return the configuration in which ``tag`` speaks ``proxy``."""
        flavour = self.core.flavour
        doors = [inbound(flavour, proxy if name == tag else name, port, tag=name) for name, port in self.ports.items()]
        return server_config(flavour, self.api, *doors)


@pytest.fixture(params=["v2ray", "xray"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Server]:
    api, ports = free_port(), {proxy: free_port() for proxy in PROXIES}
    doors = [inbound(request.param, proxy, port, tag=proxy) for proxy, port in ports.items()]
    config = server_config(request.param, api, *doors)
    core = Core(flavour=request.param, config=config, folder=tmp_path, listens=api)
    with ended(core):
        await core.up()
        yield Server(core=core, api=api, ports=ports)


def reach(vpn: V2RayProtocol, settings: Mapping[str, str]) -> Endpoint:
    return Endpoint(server_id=ServerId(uuid4()), settings=vpn.settings(settings))


def key() -> KeySpec:
    return KeySpec(id=KeyId(uuid4()), name="key", limit=None)


async def test_the_danger_is_real(server: Server) -> None:
    settings = {**server.settings("vless", "vmess"), "secret": "s" * 20}
    flavour = Flavour[server.core.flavour.upper()]
    operation = pb.AddUserOperation(user=user(flavour, KeyId(UUID(int=1)), settings))
    kind = f"{flavour}.app.proxyman.command.AddUserOperation"
    typed = pb.TypedMessage(type=kind, value=operation.SerializeToString())
    request = pb.AlterInboundRequest(tag="vless", operation=typed)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.api}") as channel:
        alter = channel.unary_unary(f"/{flavour}.app.proxyman.command.HandlerService/AlterInbound")
        with pytest.raises(grpc.aio.AioRpcError):
            await alter(request.SerializeToString(), timeout=60)
    await until(lambda: not server.core.alive)


async def test_whatever_the_operator_says_no_call_ends_the_server(server: Server, vpn: V2RayProtocol) -> None:
    manageable = {proxy for proxy in PROXIES if proxy != "shadowsocks" or server.core.flavour == "xray"}
    for real, said in product((*PROXIES, "api", "nowhere"), PROXIES):
        endpoint, one = reach(vpn, server.settings(real, said)), key()
        right = real == said and real in manageable
        for call in (vpn.probe(endpoint), vpn.issue(endpoint, one), vpn.restore(endpoint, [one, key()])):
            with nullcontext() if right else pytest.raises(Rejected):
                await call
        with suppress(Rejected):
            await vpn.revoke(endpoint, one.id)
            await vpn.list(endpoint)
        await vpn.usage(endpoint)
        assert server.core.alive, (real, said)
    for real in manageable:
        left = await vpn.list(reach(vpn, server.settings(real, real)))
        assert isinstance(left, Unlisted) or len(left) == 1  # the second of the one restore that was right


async def test_another_core_than_the_one_that_was_named_gets_nothing(server: Server, vpn: V2RayProtocol) -> None:
    other = {"v2ray": "xray", "xray": "v2ray"}[server.core.flavour]
    endpoint = reach(vpn, server.settings("vless", "vless", other))
    for call in (vpn.probe(endpoint), vpn.issue(endpoint, key()), vpn.revoke(endpoint, key().id), vpn.list(endpoint)):
        with pytest.raises(Rejected, match="correct flavour"):
            await call
    assert server.core.alive


@pytest.mark.parametrize("becomes", ["trojan", "vmess"])
@pytest.mark.parametrize("many", [0, 1, 100])
async def test_a_core_that_is_replaced_between_the_look_and_the_user_gets_no_user(
    server: Server, vpn: V2RayProtocol, becomes: str, many: int
) -> None:
    """The answer to the look arrives when the next core listens, with another protocol under the same tag."""

    async def replace() -> None:
        await server.core.restart(server.swapped("vless", becomes))

    async with Tunnel(server.api).open() as tunnel:
        endpoint = reach(vpn, {**server.settings("vless", "vless"), "api": f"127.0.0.1:{tunnel.port}"})
        await vpn.issue(endpoint, key())
        tunnel.arm(NOBODY.encode(), replace)
        with pytest.raises(PortError):
            await (vpn.restore(endpoint, [key() for _ in range(many)]) if many else vpn.issue(endpoint, key()))
        await until(lambda: tunnel.sprung == 1)
        assert server.core.alive, server.core.log()[-3000:]
        with pytest.raises(Rejected, match=f"speaks {becomes}"):
            await vpn.issue(endpoint, key())
    assert server.core.alive


@pytest.mark.parametrize("becomes", ["trojan", "vmess"])
async def test_an_inbound_that_becomes_another_is_noticed_in_mid_flow(
    server: Server, vpn: V2RayProtocol, becomes: str
) -> None:
    """The core is restarted with another protocol under the same tag while keys are being issued all the time."""
    endpoint = reach(vpn, server.settings("vless", "vless"))
    stop, errors = asyncio.Event(), set[type[Exception]]()

    async def buy(many: int) -> None:
        while not stop.is_set():
            try:
                await (vpn.restore(endpoint, [key() for _ in range(many)]) if many else vpn.issue(endpoint, key()))
            except PortError as error:
                errors.add(type(error))
                await asyncio.sleep(0.001)

    await vpn.issue(endpoint, key())
    async with asyncio.TaskGroup() as group:
        for many in (0, 1, 3, 50):
            group.create_task(buy(many))
        for proxy in (becomes, "vless", becomes):
            await asyncio.sleep(0.2)
            await server.core.restart(server.swapped("vless", proxy))
        await until(lambda: bool(errors))
        stop.set()
    assert server.core.alive, server.core.log()[-3000:]
    with pytest.raises(Rejected, match=f"speaks {becomes}"):
        await vpn.probe(endpoint)
