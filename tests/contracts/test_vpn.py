"""What every VPN adapter must do, proved over the memory one and over the wires of Outline, V2Ray and Xray."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest
from tests.contracts.vpn_worlds import CoreWorld, MemoryWorld, OutlineWorld, World

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.domain.errors import InvalidInput, Unavailable, Unknown
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.vpn import KeySpec, RemoteKey, Unlisted, VpnProtocol
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


@pytest.fixture(params=["memory", "outline", "xray/vless", "xray/shadowsocks", "v2ray/vmess"])
async def world(request: pytest.FixtureRequest, sandbox: OutlineSandbox, cores: V2RaySandbox) -> AsyncIterator[World]:
    if request.param == "memory":
        yield MemoryWorld()
        return
    clock = MemoryClock()
    guards = Guards(clock, MemoryIds(clock), Limits(attempts=1, timeout=0.3))
    async with AsyncExitStack() as stack:
        if request.param == "outline":
            outline = OutlineProtocol(guards, allow_private=True)
            stack.push_async_callback(outline.close)
            yield OutlineWorld(sandbox, outline)
        else:
            flavour, _, proxy = request.param.partition("/")
            for core in cores.servers.values():
                core.state = V2RayState(flavour=flavour, inbounds={"in": proxy})
            v2ray = V2RayProtocol(guards, clock, MemoryIds(clock), allow_private=False)
            stack.push_async_callback(v2ray.close)
            yield CoreWorld(cores, v2ray, proxy)
    for server in sandbox.servers.values():
        server.state.keys.clear()
        server.state.traffic.clear()
        await sandbox.play(server.name, Outage.NONE)
    for core in cores.servers.values():
        await core.play(CoreOutage.NONE)


def key(number: int, *, limit: int | None = None) -> KeySpec:
    return KeySpec(id=KeyId(UUID(int=number)), name="Amsterdam 1", limit=limit)


class TestVpnProtocol:
    """The contract."""

    async def test_it_is_the_port(self, world: World) -> None:
        assert isinstance(world.vpn, VpnProtocol)

    async def test_settings_are_normal_after_one_check(self, world: World) -> None:
        kept = world.vpn.settings(world.given)
        assert world.vpn.settings(kept) == kept

    async def test_settings_that_reach_nothing_are_refused_by_field(self, world: World) -> None:
        for given in ({}, dict.fromkeys(world.given, " ")):
            with pytest.raises(InvalidInput) as caught:
                world.vpn.settings(given)
            assert caught.value.field

    async def test_an_issued_key_is_there_and_opens_something(self, world: World) -> None:
        url = await world.vpn.issue(world.endpoint(), key(7, limit=1000))
        assert "://" in url
        assert await world.there() == {str(key(7).id)}

    async def test_the_list_is_what_is_there_or_says_since_when_the_server_runs(self, world: World) -> None:
        await world.vpn.issue(world.endpoint(), key(7, limit=1000))
        found = await world.vpn.list(world.endpoint())
        if isinstance(found, Unlisted):
            assert found.uptime >= 0
        else:
            shown = found[str(key(7).id)]
            assert found == {shown.id: RemoteKey(id=shown.id, limit=shown.limit, limited=shown.limited)}
            assert shown.limit == 1000 or not shown.limited

    async def test_a_server_that_does_not_list_tells_its_uptime_when_it_is_probed(self, world: World) -> None:
        if isinstance(await world.vpn.list(world.endpoint()), Unlisted):
            assert (await world.vpn.probe(world.endpoint())).uptime is not None

    async def test_issuing_again_is_the_same_key(self, world: World) -> None:
        first = await world.vpn.issue(world.endpoint(), key(7))
        assert await world.vpn.issue(world.endpoint(), key(7)) == first
        assert len(await world.there()) == 1

    @pytest.mark.parametrize(("before", "after"), [(None, 5), (5, None), (5, 6), (5, 0)])
    async def test_issuing_again_changes_the_limit(self, world: World, before: int | None, after: int | None) -> None:
        first = await world.vpn.issue(world.endpoint(), key(7, limit=before))
        assert await world.vpn.issue(world.endpoint(), key(7, limit=after)) == first
        found = await world.vpn.list(world.endpoint())
        if not isinstance(found, Unlisted) and found[str(key(7).id)].limited:
            assert found[str(key(7).id)].limit == after

    async def test_twenty_at_once_issue_one_key(self, world: World) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(world.vpn.issue(world.endpoint(), key(7))) for _ in range(20)]
        assert len({task.result() for task in tasks}) == 1
        assert len(await world.there()) == 1

    async def test_a_restore_is_as_good_as_issuing_each(self, world: World) -> None:
        first = await world.vpn.issue(world.endpoint(), key(7))
        urls = await world.vpn.restore(world.endpoint(), [key(number) for number in range(7, 107)])
        assert urls[key(7).id] == first
        assert set(urls) == {key(number).id for number in range(7, 107)}
        assert await world.there() == {str(key_id) for key_id in urls}
        assert await world.vpn.restore(world.endpoint(), []) == {}

    async def test_a_restore_that_brings_nothing_back_says_why(self, world: World) -> None:
        await world.down()
        with pytest.raises(Unavailable):
            await world.vpn.restore(world.endpoint(), [key(7), key(8)])

    async def test_a_revoked_key_is_gone_and_may_be_revoked_again(self, world: World) -> None:
        await world.vpn.issue(world.endpoint(), key(7))
        await world.vpn.issue(world.endpoint(), key(8))
        await world.vpn.revoke(world.endpoint(), key(7).id)
        await world.vpn.revoke(world.endpoint(), key(7).id)
        await world.vpn.revoke(world.endpoint(), key(9).id)
        assert await world.there() == {str(key(8).id)}

    async def test_servers_do_not_share_keys(self, world: World) -> None:
        await world.vpn.issue(world.endpoint(0), key(7))
        assert await world.there(1) == set()

    async def test_foreign_keys_are_seen_and_left_alone(self, world: World) -> None:
        await world.foreign("42")
        await world.vpn.issue(world.endpoint(), key(7))
        await world.vpn.revoke(world.endpoint(), key(7).id)
        assert await world.there() == {"42"}
        found = await world.vpn.list(world.endpoint())
        assert isinstance(found, Unlisted) or set(found) == {"42"}

    async def test_usage_holds_what_was_measured_only(self, world: World) -> None:
        for number in (7, 8):
            await world.vpn.issue(world.endpoint(), key(number))
        await world.carry(key(7).id, 1000)
        await world.carry(key(7).id, 24)
        assert (await world.vpn.usage(world.endpoint())).bytes_by_key == {str(key(7).id): 1024}

    async def test_a_probe_says_who_answers(self, world: World) -> None:
        info = await world.vpn.probe(world.endpoint())
        assert info.name
        assert info.version

    async def test_a_server_that_is_gone_is_unavailable_and_comes_back_with_its_keys(self, world: World) -> None:
        url = await world.vpn.issue(world.endpoint(), key(7))
        await world.down()
        for call in (
            world.vpn.issue(world.endpoint(), key(7)),
            world.vpn.revoke(world.endpoint(), key(7).id),
            world.vpn.list(world.endpoint()),
            world.vpn.usage(world.endpoint()),
        ):
            with pytest.raises(Unavailable):
                await call
        await world.vpn.probe(world.endpoint(1))
        await world.up()
        assert await world.vpn.issue(world.endpoint(), key(7)) == url

    async def test_a_lost_answer_is_unknown_and_asking_again_is_safe(self, world: World) -> None:
        await world.lose_answer()
        with pytest.raises(Unknown):
            await world.vpn.issue(world.endpoint(), key(7, limit=5))
        await world.up()
        assert await world.there() == {str(key(7).id)}
        await world.vpn.issue(world.endpoint(), key(7, limit=5))
        await world.lose_answer()
        with pytest.raises(Unknown):
            await world.vpn.revoke(world.endpoint(), key(7).id)
        await world.up()
        await world.vpn.revoke(world.endpoint(), key(7).id)
        assert await world.there() == set()
