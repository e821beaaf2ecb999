"""An order whose time is over is asked about before it is closed."""

from dataclasses import replace

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.events import EventType
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Receipt
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def order(world: World, tariff: Tariff, ann: User) -> Order:
    return await world.order(ann, tariff)


class TestAClosingOrder:
    async def test_a_lost_webhook_costs_an_hour_not_money(self, world: World, order: Order) -> None:
        world.gateway.pay(order.id)
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_nobody_paid(self, world: World, order: Order) -> None:
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.CANCELED
        assert (await world.events())[EventType.ORDER_CANCELED] == 1

    async def test_a_page_that_is_still_open_does_not_keep_the_order_open(self, world: World, order: Order) -> None:
        page = world.gateway.checkouts[order.id]
        world.gateway.checkouts[order.id] = replace(page, expires_at=page.expires_at + HOUR)
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.CANCELED
        await world.pay(order)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_money_on_its_way_keeps_the_order_open_until_it_arrives(self, world: World, order: Order) -> None:
        world.gateway.process(order.id)
        await world.advance(5 * DAY)
        assert await world.status(order) is OrderStatus.PENDING
        assert world.gateway.calls["fetch"] <= 5 * 24
        world.gateway.pay(order.id)  # and no webhook comes
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert (await world.events())[EventType.ORDER_CANCELED] == 0

    async def test_money_on_its_way_that_does_not_arrive_closes_it(self, world: World, order: Order) -> None:
        world.gateway.process(order.id)
        await world.advance(3 * HOUR)
        webhook = world.gateway.fail(order.id)
        assert await world.receive(webhook) is Receipt.ACCEPTED
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.CANCELED

    async def test_money_that_stays_on_its_way_for_ever_closes_it_in_the_end(self, world: World, order: Order) -> None:
        world.gateway.process(order.id)
        await world.advance(31 * DAY)
        assert await world.status(order) is OrderStatus.CANCELED
        assert not await world.dead()

    async def test_a_provider_that_cannot_be_asked_is_asked_again(self, world: World, order: Order) -> None:
        world.gateway.pay(order.id)
        world.gateway.fail_next(Unavailable(), on="fetch", times=12)
        await world.advance(HOUR + MINUTE)
        assert await world.status(order) is OrderStatus.PENDING
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert not await world.dead()
