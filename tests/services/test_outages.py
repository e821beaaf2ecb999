"""A server that is away for long: few ask for it, and all that waited for it comes when it is back."""

import pytest
from tests.services.world import MINUTE, SECOND, World

from veilbot_core.domain.errors import Unknown
from veilbot_core.domain.events import EventType
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff


@pytest.fixture
async def orders(world: World, server: Server, tariff: Tariff) -> list[Order]:
    """Paid orders whose server went away in that moment, ten minutes ago."""
    made = [await world.order(await world.customer(), tariff, country=server.country) for _ in range(5)]
    for order in made:
        await world.pay(order)
    world.vpn.down(server.id)
    await world.advance(10 * MINUTE)
    return made


async def test_all_that_waited_comes_within_seconds(world: World, server: Server, orders: list[Order]) -> None:
    world.vpn.up(server.id)
    await world.advance(6 * SECOND)
    assert {await world.status(order) for order in orders} == {OrderStatus.FULFILLED}
    assert len(world.remote(server)) == len(orders)
    assert len(world.facts(EventType.KEY_ISSUED)) == len(orders)
    assert not await world.dead()
    await world.prove()
    await world.advance(20 * MINUTE)
    assert len(world.facts(EventType.KEY_ISSUED)) == len(orders)


async def test_one_job_watches_the_server_whatever_waits_for_it(
    world: World, server: Server, orders: list[Order]
) -> None:
    before = world.vpn.calls.copy()
    await world.advance(10 * MINUTE)
    calls = world.vpn.calls - before
    assert 10 * MINUTE / (6 * SECOND) < calls["list"] < 10 * MINUTE / (2 * SECOND)
    assert calls["issue"] < len(orders) * 10 * MINUTE / (25 * SECOND)
    assert not world.remote(server)


async def test_what_the_server_did_without_our_knowing_does_not_wait_either(
    world: World, server: Server, tariff: Tariff
) -> None:
    order = await world.order(await world.customer(), tariff)
    await world.pay(order)
    world.vpn.apply_then_fail(Unknown(), on="issue")
    world.vpn.fail_next(Unknown(), on="issue", times=8)
    while world.vpn.calls["issue"] < 9:
        await world.advance(SECOND)
    await world.advance(5 * SECOND)
    assert await world.status(order) is OrderStatus.PAID, "the next attempt is most of a minute away"
    await world.ask(JobKind.RECONCILE_SERVER, server.id)
    await world.advance(SECOND)
    assert await world.status(order) is OrderStatus.FULFILLED
