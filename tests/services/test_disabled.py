"""A disabled server is not called; what is paid for and waits there goes elsewhere."""

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_core.domain.errors import NoCapacity
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


async def offer(world: World, user: User, tariff: Tariff) -> Order:
    return await world.order(user, tariff, subscription_id=(await world.subscription(user)).id)


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


@pytest.mark.usefixtures("order")
async def test_a_renewal_is_not_sold_where_nothing_else_is_free(
    world: World, server: Server, tariff: Tariff, ann: User
) -> None:
    await turn(world, server, ServerStatus.DISABLED)
    with pytest.raises(NoCapacity):
        await offer(world, ann, tariff)
    await world.advance(31 * DAY + HOUR)  # the key waits there, with its place, for the server to be called again
    with pytest.raises(NoCapacity):
        await offer(world, ann, tariff)


@pytest.mark.parametrize("limit", [None, 10**9])
async def test_one_that_was_sold_before_waits_and_the_operator_knows(
    world: World, server: Server, ann: User, order: Order, limit: int | None
) -> None:
    renewal = await offer(world, ann, await world.tariff(traffic_limit=limit))
    await turn(world, server, ServerStatus.DISABLED)
    await world.pay(renewal)
    await world.advance(5 * MINUTE)
    assert (order.status, await world.status(renewal)) == (OrderStatus.FULFILLED, OrderStatus.PAID)
    assert world.alerts() == ["order.waiting"]
    await turn(world, server, ServerStatus.ACTIVE)
    await world.advance(5 * MINUTE)
    assert await world.status(renewal) is OrderStatus.FULFILLED
    assert (await lasting_key(world, ann)).server_id == server.id


@pytest.mark.usefixtures("order")
async def test_an_operator_may_add_days_all_the_same(world: World, server: Server, tariff: Tariff, ann: User) -> None:
    await turn(world, server, ServerStatus.DISABLED)
    await world.app.subscriptions.extend((await world.subscription(ann)).id, 3, tariff.id)
    assert await world.days_left(ann) == pytest.approx(33)
    assert (await lasting_key(world, ann)).server_id == server.id


async def test_who_comes_back_is_not_put_on_a_server_that_drains(
    world: World, server: Server, tariff: Tariff, ann: User, order: Order
) -> None:
    await world.advance(40 * DAY)
    await turn(world, server, ServerStatus.DRAINING)
    other = await world.server()
    assert (await renew(world, ann, tariff)).status is order.status
    assert len(world.remote(other)) == 1
