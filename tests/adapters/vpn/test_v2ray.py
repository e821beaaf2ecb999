"""The V2Ray adapter beyond the contract: which core, which inbound, bad answers, and what is looked at first."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest
from tests.contracts.vpn_worlds import hurry
from tests.waiting import PATIENCE, until

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_adapters.vpn.v2ray_accounts import credential, email
from veilbot_core.domain.errors import PortError, Rejected, Unavailable, Unknown
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec, RemoteKey, Unlisted
from veilbot_runners.sandbox.v2ray_server import Outage, V2RayServer
from veilbot_runners.sandbox.v2ray_state import V2RayState

KEY = KeySpec(id=KeyId(UUID(int=7)), name="Frankfurt 1", limit=None)
PROXIES = ("vless", "vmess", "trojan", "shadowsocks")
EXTRA: Mapping[str, Mapping[str, str]] = {
    "trojan": {"security": "tls"},
    "shadowsocks": {"method": "aes-128-gcm"},
}


@asynccontextmanager
async def adapter(patience: float = PATIENCE) -> AsyncIterator[V2RayProtocol]:
    clock = MemoryClock()
    limits = Limits(timeout=patience, wait=patience, attempts=1, fail_max=1000)
    protocol = V2RayProtocol(Guards(clock, MemoryIds(clock), limits), clock, MemoryIds(clock), allow_private=True)
    yield protocol
    await protocol.close()


@pytest.fixture
async def vpn() -> AsyncIterator[V2RayProtocol]:
    async with adapter() as protocol:
        yield protocol


@pytest.fixture
async def hasty() -> AsyncIterator[V2RayProtocol]:
    """For those who never answer."""
    async with adapter(0.3) as protocol:
        yield protocol


@pytest.fixture(scope="module")
async def listening() -> AsyncIterator[V2RayServer]:
    server = V2RayServer("one")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def server(listening: V2RayServer) -> AsyncIterator[V2RayServer]:
    listening.state = V2RayState(inbounds={proxy: proxy for proxy in PROXIES})
    yield listening
    await listening.play(Outage.NONE)


def reach(vpn: V2RayProtocol, api: str, *, tag: str = "vless", proxy: str = "vless", flavour: str = "auto") -> Endpoint:
    given = {"api": api, "inbound": tag, "address": "vpn.example.com", "port": "443", "proxy": proxy}
    settings = vpn.settings({**given, "flavour": flavour, **EXTRA.get(proxy, {})})
    return Endpoint(server_id=ServerId(uuid4()), settings=settings)


@pytest.mark.parametrize("flavour", ["v2ray", "xray"])
@pytest.mark.parametrize("real", [*PROXIES, "nowhere"])
@pytest.mark.parametrize("said", PROXIES)
async def test_only_the_right_account_is_ever_sent(
    vpn: V2RayProtocol, server: V2RayServer, flavour: str, real: str, said: str
) -> None:
    server.state = V2RayState(flavour=flavour, inbounds={proxy: proxy for proxy in PROXIES})
    endpoint = reach(vpn, server.api, tag=real, proxy=said)
    right = real == said and (flavour, real) != ("v2ray", "shadowsocks")
    for call in (vpn.probe(endpoint), vpn.issue(endpoint, KEY), vpn.restore(endpoint, [KEY])):
        try:
            await call
        except Rejected:
            assert not right
        else:
            assert right
    assert server.state.crashes == 0
    assert sum(map(len, server.state.users.values())) == right


async def test_an_inbound_that_became_another_is_noticed(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api)
    await vpn.restore(endpoint, [KEY])
    await server.stop()
    server.state = V2RayState(inbounds={"vless": "trojan"})
    await server.start()
    for call in (vpn.issue(endpoint, KEY), vpn.restore(endpoint, [KEY])):
        with pytest.raises(Rejected, match="speaks trojan"):
            await call
    assert server.state.crashes == 0


@pytest.mark.parametrize(("runs", "said"), [("v2ray", "xray"), ("xray", "v2ray")])
async def test_the_core_that_was_named_or_none(vpn: V2RayProtocol, server: V2RayServer, runs: str, said: str) -> None:
    server.state = V2RayState(flavour=runs, inbounds={"vless": "vless"})
    with pytest.raises(Rejected, match="correct flavour"):
        await vpn.probe(reach(vpn, server.api, flavour=said))
    info = await vpn.probe(reach(vpn, server.api, flavour=runs))
    assert info.name.lower().startswith(runs)
    assert info.uptime is not None
    assert 0 <= info.uptime < PATIENCE


async def test_a_core_that_was_replaced_by_the_other_is_found_out(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api)
    await vpn.issue(endpoint, KEY)
    server.state = V2RayState(flavour="v2ray", inbounds={"vless": "vless"})
    await vpn.issue(endpoint, KEY)
    await vpn.revoke(endpoint, KEY.id)
    assert isinstance(await vpn.list(endpoint), Unlisted)
    assert server.state.users == {"vless": []}


async def test_another_account_under_our_name_is_replaced(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api)
    wrong = pb.VlessAccount(id=str(uuid4())).SerializeToString()
    account = pb.TypedMessage(type="xray.proxy.vless.Account", value=wrong)
    server.state.users["vless"].append(pb.User(email=email(KEY.id), account=account))
    await vpn.issue(endpoint, KEY)
    (user,) = server.state.users["vless"]
    assert pb.VlessAccount.FromString(user.account.value).id == credential(KEY.id, endpoint.settings)


async def test_duplicates_of_shadowsocks_leave_one_and_then_none(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api, tag="shadowsocks", proxy="shadowsocks")
    await vpn.issue(endpoint, KEY)
    users = server.state.users["shadowsocks"]
    users.extend([users[0]] * 3)
    await vpn.issue(endpoint, KEY)
    assert len(users) == 1
    users.extend([users[0]] * 3)
    await vpn.revoke(endpoint, KEY.id)
    assert users == []


async def test_strange_neighbours_are_listed_harmlessly(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api)
    await vpn.issue(endpoint, KEY)
    for name in ("", "family@home", "\x1b[2J", "Я", f"{KEY.id}@VEILBOT"):
        server.state.users["vless"].append(pb.User(email=name))
    found = await vpn.list(endpoint)
    assert isinstance(found, Mapping)
    assert found[str(KEY.id)] == RemoteKey(id=str(KEY.id), limit=None, limited=False)
    assert all(name.isascii() and name.isprintable() for name in found)


async def test_up_and_down_are_added_and_prefixes_do_not_mix(vpn: V2RayProtocol, server: V2RayServer) -> None:
    server.carry("1@veilbot", 5)
    server.carry("10@veilbot", 7)
    server.carry(email(KEY.id), 9)
    usage = await vpn.usage(reach(vpn, server.api))
    assert usage.bytes_by_key == {"1@veilbot": 5, "10@veilbot": 7, str(KEY.id): 9}


async def test_a_change_that_got_lost_is_looked_into_before_it_is_done_again(
    vpn: V2RayProtocol, server: V2RayServer
) -> None:
    endpoint = reach(vpn, server.api)
    await vpn.probe(endpoint)
    await server.play(Outage.LOST)
    hurry(vpn, 0.5)
    with pytest.raises(Unknown):
        await vpn.issue(endpoint, KEY)
    await until(lambda: len(server.state.users["vless"]) == 1)
    await server.play(Outage.NONE)
    hurry(vpn, PATIENCE)
    server.state.inbounds = {"vless": "vmess"}
    with pytest.raises(Rejected, match="speaks vmess"):
        await vpn.issue(endpoint, KEY)


async def test_nonsense_is_rejected(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api)
    await server.play(Outage.GARBAGE)
    for call in calls(vpn, endpoint):
        with pytest.raises(Rejected, match="does not answer like V2Ray or Xray"):
            await call()


async def test_a_negative_count_is_nonsense(vpn: V2RayProtocol, server: V2RayServer) -> None:
    server.carry("a@b", -1)
    with pytest.raises(Rejected):
        await vpn.usage(reach(vpn, server.api))


def calls(vpn: V2RayProtocol, endpoint: Endpoint) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: vpn.issue(endpoint, KEY),
        lambda: vpn.revoke(endpoint, KEY.id),
        lambda: vpn.restore(endpoint, [KEY]),
        lambda: vpn.list(endpoint),
        lambda: vpn.usage(endpoint),
        lambda: vpn.probe(endpoint),
    ]


@asynccontextmanager
async def stranger(answer: bytes) -> AsyncIterator[str]:
    """Serve bytes to whoever connects."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    serving = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{serving.sockets[0].getsockname()[1]}"
    serving.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n<html>It works!</html>", b"\x00" * 1_000_000])
async def test_whoever_does_not_speak_grpc_ends_no_call_in_silence(hasty: V2RayProtocol, answer: bytes) -> None:
    async with stranger(answer) as api:
        for call in calls(hasty, reach(hasty, api)):
            with pytest.raises(PortError):
                await call()


async def test_too_much_is_refused(server: V2RayServer) -> None:
    server.state.users["vless"].append(pb.User(email="x" * 33_000_000))
    async with adapter() as vpn:
        with pytest.raises(Rejected, match="more than any core"):
            await vpn.list(reach(vpn, server.api))


async def test_a_hanging_server_gets_four_calls_and_the_others_none_the_wiser(
    vpn: V2RayProtocol, server: V2RayServer
) -> None:
    endpoint = reach(vpn, server.api)
    await server.play(Outage.HANG)
    before = server.calls
    async with asyncio.TaskGroup() as group:
        hung = [group.create_task(kind(vpn.issue(endpoint, KEY))) for _ in range(30)]
        await until(lambda: server.calls - before == 4)
        assert [task.result() for task in hung if task.done()] == [Unavailable] * 10  # four call and sixteen wait
        await server.play(Outage.NONE)
    assert [task.result() for task in hung].count(None) == 20


async def kind(call: Awaitable[object]) -> type[Exception] | None:
    try:
        await call
    except PortError as error:
        return type(error)
    return None


async def test_secrets_are_in_no_error(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api, tag="vmess")
    secret = credential(KEY.id, endpoint.settings)
    for outage in (Outage.NONE, Outage.GARBAGE, Outage.LOST, Outage.DOWN):
        await server.play(outage)
        hurry(vpn, 0.5 if outage is Outage.LOST else PATIENCE)
        with pytest.raises(PortError) as caught:
            await vpn.issue(endpoint, KEY)
        assert secret not in str(caught.value)
        assert endpoint.settings["secret"] not in str(caught.value) + repr(endpoint)


async def test_what_is_stored_and_not_usable_is_rejected(vpn: V2RayProtocol, server: V2RayServer) -> None:
    good = reach(vpn, server.api)
    lost = {name: value for name, value in good.settings.items() if name != "secret"}
    for settings in ({}, {"api": "nowhere"}, {**good.settings, "api": "8.8.8.8:1"}, lost):
        with pytest.raises(Rejected, match="add it again"):
            await vpn.issue(Endpoint(server_id=good.server_id, settings=settings), KEY)
    assert server.state.users["vless"] == []


async def test_new_settings_mean_a_new_connection(vpn: V2RayProtocol, server: V2RayServer) -> None:
    endpoint = reach(vpn, server.api)
    await vpn.issue(endpoint, KEY)
    other = V2RayServer("two", state=V2RayState(inbounds={"vless": "vless"}))
    await other.start()
    await vpn.issue(Endpoint(server_id=endpoint.server_id, settings={**endpoint.settings, "api": other.api}), KEY)
    assert len(other.state.users["vless"]) == 1
    await other.stop()
