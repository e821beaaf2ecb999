"""Servers that forget everybody when they restart: one that lists its keys (Xray), and one that cannot (V2Ray)."""

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_adapters.memory import MemoryVpn
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.key import Key
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.vpn import RemoteKey


@pytest.fixture(params=["lists", "cannot list"])
def vpn(request: pytest.FixtureRequest, world: World) -> MemoryVpn:
    world.out.v2ray._lists = request.param == "lists"
    return world.out.v2ray


@pytest.fixture
async def server(world: World, vpn: MemoryVpn) -> Server:
    assert vpn.protocol is Protocol.V2RAY
    return await world.server(protocol=Protocol.V2RAY, capacity=10)


@pytest.fixture
async def tariff(world: World) -> Tariff:
    """A month with a limit that the servers do not keep."""
    return await world.tariff(protocols=(Protocol.V2RAY,), traffic_limit=7)


async def sold(world: World, tariff: Tariff, user: User, count: int) -> None:
    for _ in range(count):
        request = world.out.ids.new()
        await world.app.subscriptions.give(user.id, tariff.id, days=30, country=None, request=request)
    await world.settle()


async def probe(world: World) -> None:
    await world.app.work.handlers[JobKind.PROBE](None)  # type: ignore[arg-type]
    await world.settle()


def there(vpn: MemoryVpn, server: Server) -> set[str]:
    return set(vpn.servers[server.id].keys)


async def keys(world: World, user: User) -> dict[str, Key]:
    return {str(key.id): key for key in await world.keys(user)}


async def test_nothing_is_to_do_while_it_runs(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await world.out.clock.advance(HOUR.total_seconds())
    await sold(world, tariff, ann, 3)
    for _ in range(3):
        await world.out.clock.advance(HOUR.total_seconds())
        report = await world.reconcile(server)
        assert report.agreed
        assert report.wanted == 3
    assert vpn.calls["restore"] == 0


async def test_a_restart_is_noticed_at_the_next_look_and_everybody_is_back(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await sold(world, tariff, ann, 3)
    before = there(vpn, server)
    await world.out.clock.advance(HOUR.total_seconds())
    await probe(world)
    vpn.restart(server.id)
    await world.out.clock.advance(MINUTE.total_seconds())
    issued = vpn.calls["issue"]
    await probe(world)
    assert there(vpn, server) == before
    assert vpn.calls["issue"] == issued  # all at once, not one by one
    await world.out.clock.advance(HOUR.total_seconds())
    assert (await world.reconcile(server)).agreed


async def test_a_restart_while_it_could_not_be_reached_is_noticed_when_it_is_back(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await sold(world, tariff, ann, 1)
    before = there(vpn, server)
    await world.out.clock.advance(HOUR.total_seconds())
    vpn.restart(server.id)
    vpn.down(server.id)
    await world.out.clock.advance(MINUTE.total_seconds())
    await probe(world)
    await world.out.clock.advance(HOUR.total_seconds())
    vpn.up(server.id)
    await probe(world)
    assert there(vpn, server) == before


async def test_a_key_that_was_put_there_just_before_a_restart_is_not_believed(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await world.out.clock.advance(DAY.total_seconds())
    await sold(world, tariff, ann, 1)
    before = there(vpn, server)
    vpn.restart(server.id)
    await world.out.clock.advance(2)
    await probe(world)
    assert there(vpn, server) == before


async def test_who_is_not_ours_is_not_touched_and_who_is_gone_stays_gone(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await sold(world, tariff, ann, 1)
    await world.advance(40 * DAY)
    assert there(vpn, server) == set()
    await sold(world, tariff, ann, 1)
    await world.out.clock.advance(HOUR.total_seconds())
    mine = there(vpn, server)
    vpn.restart(server.id)
    vpn.servers[server.id].keys["family"] = RemoteKey(id="family", limit=None)
    await world.out.clock.advance(MINUTE.total_seconds())
    await probe(world)
    assert there(vpn, server) == {"family", *mine}


async def test_the_ledger_counts_on_even_if_the_new_reading_is_the_old_one(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await sold(world, tariff, ann, 1)
    (key,) = (await keys(world, ann)).values()
    for expected in (100, 200, 300):
        vpn.traffic(server.id, key.id, 100)
        await world.out.clock.advance(HOUR.total_seconds())
        await world.reconcile(server)
        assert (await keys(world, ann))[str(key.id)].used == expected
        vpn.restart(server.id)
        await world.out.clock.advance(MINUTE.total_seconds())
        await probe(world)


async def test_what_a_restore_leaves_out_is_mended_key_by_key(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await sold(world, tariff, ann, 3)
    before = there(vpn, server)
    await world.out.clock.advance(HOUR.total_seconds())
    vpn.restart(server.id)
    vpn.fail_next(Unavailable("not now"), on="restore")
    report = await world.reconcile(server)
    assert len(report.missing) == 3
    assert there(vpn, server) == set()
    await world.settle()
    assert there(vpn, server) == before
    assert all(key.settled for key in (await keys(world, ann)).values())


async def test_a_key_that_is_taken_back_beside_a_restore_does_not_stay(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    """The restore called with what it had read; what it recorded is put right by the key's own work."""
    await sold(world, tariff, ann, 1)
    await world.out.clock.advance(HOUR.total_seconds())
    vpn.restart(server.id)
    (key,) = (await keys(world, ann)).values()
    restored = world.app.provisioning._restored([key], {key.id: vpn.url(server.id, key.id)})
    await world.advance(40 * DAY)
    vpn.servers[server.id].keys[str(key.id)] = RemoteKey(id=str(key.id), limit=None)
    await world.out.storage.write(restored)
    await world.settle()
    assert there(vpn, server) == set()


async def test_a_dry_run_brings_nobody_back(
    world: World, vpn: MemoryVpn, server: Server, tariff: Tariff, ann: User
) -> None:
    await sold(world, tariff, ann, 1)
    await world.out.clock.advance(HOUR.total_seconds())
    vpn.restart(server.id)
    assert len((await world.reconcile(server, dry_run=True)).missing) == 1
    await world.settle()
    assert there(vpn, server) == set()
