"""A disabled server is not called; what is paid for and waits there goes elsewhere."""

import pytest
from tests.services.world import DAY, MINUTE, World

from veilbot_core.domain.key import Key, lasting, serving
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.buy(ann, tariff)


async def lasting_key(world: World, user: User) -> Key:
    (key,) = lasting(await world.keys(user))
    return key


async def renew(world: World, user: User, tariff: Tariff) -> Order:
    return await world.buy(user, tariff, subscription_id=(await world.subscription(user)).id)


async def turn(world: World, server: Server, status: ServerStatus) -> None:
    await world.app.fleet.turn(server.id, status)
    await world.settle()


async def test_a_paid_order_finds_another_server(world: World, server: Server, tariff: Tariff, ann: User) -> None:
    world.vpn.down(server.id)
    order = await world.buy(ann, tariff)
    await turn(world, server, ServerStatus.DISABLED)
    other = await world.server()
    await world.advance(5 * MINUTE)
    assert await world.status(order) is OrderStatus.FULFILLED
    assert len(world.remote(other)) == 1


async def test_without_room_it_waits_and_the_operator_knows(
    world: World, server: Server, tariff: Tariff, ann: User
) -> None:
    world.vpn.down(server.id)
    order = await world.buy(ann, tariff)
    await turn(world, server, ServerStatus.DISABLED)
    await world.advance(5 * MINUTE)
    assert await world.status(order) is OrderStatus.PAID
    assert world.alerts() == ["order.waiting"]
    world.vpn.up(server.id)
    await turn(world, server, ServerStatus.ACTIVE)
    await world.advance(5 * MINUTE)
    assert await world.status(order) is OrderStatus.FULFILLED


async def test_a_renewal_moves_the_key(world: World, server: Server, tariff: Tariff, ann: User, order: Order) -> None:
    assert order.status is OrderStatus.FULFILLED
    await turn(world, server, ServerStatus.DISABLED)
    other = await world.server()
    renewal = await renew(world, ann, tariff)
    assert renewal.status is OrderStatus.FULFILLED
    assert len(world.remote(other)) == world.notifier.notices_of(ann.id).count(Notice.MOVED) == 1
    (key,) = serving(await world.keys(ann))
    assert key.server_id == other.id


async def test_a_renewal_that_needs_no_call_keeps_the_key_where_there_is_no_room(
    world: World, server: Server, tariff: Tariff, ann: User, order: Order
) -> None:
    await turn(world, server, ServerStatus.DISABLED)
    renewal = await renew(world, ann, tariff)
    assert (order.status, renewal.status) == (OrderStatus.FULFILLED, OrderStatus.FULFILLED)
    assert (await lasting_key(world, ann)).server_id == server.id


async def test_one_that_needs_a_call_waits_and_the_operator_knows(
    world: World, server: Server, ann: User, order: Order
) -> None:
    await turn(world, server, ServerStatus.DISABLED)
    renewal = await renew(world, ann, await world.tariff(traffic_limit=10**9))
    await world.advance(5 * MINUTE)
    assert (order.status, await world.status(renewal)) == (OrderStatus.FULFILLED, OrderStatus.PAID)
    assert world.alerts() == ["order.waiting"]


async def test_who_comes_back_is_not_put_on_a_server_that_drains(
    world: World, server: Server, tariff: Tariff, ann: User, order: Order
) -> None:
    await world.advance(40 * DAY)
    await turn(world, server, ServerStatus.DRAINING)
    other = await world.server()
    assert (await renew(world, ann, tariff)).status is order.status
    assert len(world.remote(other)) == 1
