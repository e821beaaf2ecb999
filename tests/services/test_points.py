"""Each path from a webhook to a message passes its points, and comes through a kill, an error and a hang at each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.services.paths import PATHS, WEBHOOK, Move, Path, Shop
from tests.services.shop import build
from tests.services.world import MINUTE, POLICY, Killed, World
from tests.waiting import PATIENCE

from veilbot_adapters.failing import ArmedFailpoints
from veilbot_core.domain.errors import PortError
from veilbot_core.ports.failpoints import Point

LEASE = timedelta(seconds=0.1)
"""Of a process that hangs: the time of a handler is real, even here."""
CASES = [(path, point) for path, points in PATHS.items() for point in sorted(points)]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    world = World(replace(POLICY, grace=timedelta()))
    server, tariff, user = await world.server(capacity=10), await world.tariff(), await world.customer()
    yield Shop(world=world, server=server, tariff=tariff, user=user)
    await world.prove()


def arm(world: World, spec: str) -> None:
    """Go on in a process that fails at a point, and whose leases are short."""
    out = replace(world.out, policy=replace(world.out.policy, lease=LEASE))
    world.app = build(out, ArmedFailpoints(spec, block=0.01))


async def until_it_is_answered(move: Move) -> None:
    """Do as a provider does: wait a while for an answer, and come again."""
    for _ in range(20):
        with suppress(PortError, TimeoutError):
            async with asyncio.timeout(LEASE.total_seconds()):
                await move.act()
                return
    raise AssertionError("it was never answered")


async def settled(world: World) -> None:
    """Let what failed rest, and be tried again; the relay is asked again by the worker whatever it raises."""
    for _ in range(3):
        with suppress(PortError):
            await world.advance(MINUTE)


async def happened(shop: Shop, move: Move) -> None:
    world, order = shop.world, await shop.world.look(move.order)
    assert order.status is move.status
    assert len(world.remote(shop.server)) == (move.keys if move.stays else 0)
    assert sum(len(server.keys) for server in world.vpn.servers.values()) == move.keys
    assert round(await world.days_left(shop.user)) == move.days
    assert world.notifier.notices_of(shop.user.id)[-1] is move.notice
    charged = [charge.money for charge in world.gateway.charges.values() if charge.order_id == order.id]
    sent_back = [refund.money for refund in world.gateway.refunds.values() if refund.order_id == order.id]
    assert [payment.money for payment in await world.payments(order)] == charged + sent_back
    assert len(sent_back) == (0 if move.keys else 1)
    assert not await world.dead()
    assert not await world.app.storage.read(lambda uow: uow.outbox.waiting(10))


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_passes_its_points_and_no_others(shop: Shop, path: Path) -> None:
    move = await path(shop)
    await shop.world.settle()
    shop.world.out.failpoints.passed.clear()
    await until_it_is_answered(move)
    await settled(shop.world)
    await happened(shop, move)
    assert set(shop.world.out.failpoints.passed) == PATHS[path]


@pytest.mark.parametrize("action", ["error", "hang"])
@pytest.mark.parametrize(("path", "point"), CASES)
async def test_it_comes_through_at_every_point(shop: Shop, path: Path, point: Point, action: str) -> None:
    move = await path(shop)
    await shop.world.settle()
    arm(shop.world, f"{point}:{action}")
    await until_it_is_answered(move)
    await settled(shop.world)
    await happened(shop, move)


@pytest.mark.parametrize(("path", "point"), CASES)
async def test_the_next_process_goes_on_where_one_died(shop: Shop, path: Path, point: Point) -> None:
    move = await path(shop)
    await shop.world.settle()
    shop.world.out.failpoints.arm(point, Killed())
    lived = False
    with suppress(Killed):
        await move.act()
        lived = await shop.world.settle()
    assert not lived
    shop.world.app = build(shop.world.out)
    if point in WEBHOOK:
        await move.act()
    await settled(shop.world)
    await happened(shop, move)


async def test_a_hang_gives_the_job_back_before_its_lease_ends(shop: Shop) -> None:
    """Whoever hangs is cut off in time, so that no second worker runs beside it."""
    order = await shop.world.order(shop.user, shop.tariff)
    await shop.world.pay(order)
    arm(shop.world, "C6:hang")
    (job, *_) = await shop.world.app.work.claim(10)
    async with asyncio.timeout(PATIENCE):
        await shop.world.app.work.run(job)
    assert not await shop.world.app.work.claim(10)
    await settled(shop.world)
    assert len(shop.world.remote(shop.server)) == 1
