"""Refunds by hand and disputes that are heard of before their charge: they name no order."""

from dataclasses import replace

import pytest
from tests.services.world import DAY, HOUR, World

from veilbot_core.domain.events import EventType
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Receipt
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.order(ann, tariff)


async def test_money_that_went_back_first_buys_nothing(world: World, server: Server, ann: User, order: Order) -> None:
    charge = world.gateway.pay(order.id)
    assert await world.receive(world.gateway.give_back(order.id)) is Receipt.HELD
    assert await world.receive(charge) is Receipt.ACCEPTED
    await world.settle()
    assert await world.status(order) is OrderStatus.REFUNDED
    assert not world.remote(server)
    assert world.notifier.notices_of(ann.id) == [Notice.REFUNDED]
    assert world.alerts() == ["payment.held"]


async def test_what_lists_tell_in_any_order_is_the_same(world: World, server: Server, order: Order) -> None:
    """The refund's webhook came, the charge's never did."""
    world.gateway.pay(order.id)
    await world.receive(world.gateway.give_back(order.id))
    await world.out.clock.advance(60)
    await world.app.settlement.settle(world.out.clock.now() - HOUR)
    await world.advance(2 * DAY)
    assert await world.status(order) is OrderStatus.REFUNDED
    assert not world.remote(server)


async def test_a_part_that_went_back_first_takes_its_days(world: World, ann: User, order: Order) -> None:
    charge = world.gateway.pay(order.id, Money(amount=499, currency="USD"))
    await world.receive(world.gateway.give_back(order.id, Money(amount=250, currency="USD")))
    await world.receive(charge)
    await world.settle()
    assert await world.status(order) is OrderStatus.FULFILLED
    assert await world.days_left(ann) == 15


async def test_a_refund_that_failed_first_takes_nothing(world: World, ann: User, order: Order) -> None:
    charge = world.gateway.pay(order.id)
    refund = world.gateway.give_back(order.id)
    (refund_id,) = world.gateway.refunds
    await world.receive(world.gateway.fail_refund(refund_id))
    await world.receive(charge)
    await world.receive(refund)
    await world.settle()
    assert await world.status(order) is OrderStatus.FULFILLED
    assert await world.days_left(ann) == 30


async def test_money_that_is_claimed_first_buys_nothing(world: World, server: Server, order: Order) -> None:
    charge = world.gateway.pay(order.id)
    await world.receive(world.gateway.dispute(order.id))
    await world.receive(charge)
    await world.settle()
    assert await world.status(order) is OrderStatus.HELD
    await world.receive(world.gateway.dispute(order.id, won=False))
    await world.advance(2 * DAY)
    assert await world.status(order) is OrderStatus.HELD
    assert not world.remote(server)


async def test_a_dispute_that_was_won_first_is_over(world: World, ann: User, order: Order) -> None:
    charge = world.gateway.pay(order.id)
    await world.receive(world.gateway.dispute(order.id))
    await world.out.clock.advance(10)
    await world.receive(world.gateway.dispute(order.id, won=True))
    await world.receive(charge)
    await world.settle()
    assert (await world.holding(ann)).standing is Standing.ACTIVE


async def test_a_second_dispute_joins_what_was_heard_before(world: World, ann: User, order: Order) -> None:
    """Freezing looks at all movements of an order, the early ones too."""
    charge = world.gateway.pay(order.id)
    await world.receive(world.gateway.dispute(order.id, won=True))
    await world.receive(charge)
    await world.settle()
    assert (await world.holding(ann)).standing is Standing.ACTIVE
    assert (await world.events())[EventType.SUBSCRIPTION_FROZEN] == 0


async def test_what_went_back_by_hand_is_not_sent_again(world: World, order: Order) -> None:
    charge = world.gateway.pay(order.id)
    await world.receive(world.gateway.give_back(order.id, Money(amount=99, currency="USD")))
    await world.receive(charge)
    await world.settle()
    await world.refund(order)
    assert [refund.money.amount for refund in world.gateway.refunds.values()] == [99, 400]
    assert await world.status(order) is OrderStatus.REFUNDED


async def test_a_second_payment_that_is_claimed_first_freezes_what_the_order_bought(
    world: World, server: Server, ann: User, order: Order
) -> None:
    """Whichever was heard of first: a bank that claims money of an order has it stopped."""
    late, early = world.gateway.pay(order.id), world.gateway.pay(order.id, again=True)
    await world.receive(early)
    await world.settle()
    await world.receive(world.gateway.dispute(order.id))
    assert await world.receive(late) is Receipt.HELD
    await world.settle()
    assert (await world.holding(ann)).standing is Standing.FROZEN
    assert not world.remote(server)
    await world.receive(world.gateway.dispute(order.id, won=True))
    await world.settle()
    assert len(world.remote(server)) == 1


async def test_a_second_payment_that_is_claimed_first_stops_what_was_not_given_yet(
    world: World, server: Server, order: Order
) -> None:
    late, early = world.gateway.pay(order.id), world.gateway.pay(order.id, again=True)
    await world.receive(early)
    await world.receive(world.gateway.dispute(order.id))
    assert await world.receive(late) is Receipt.HELD
    await world.settle()
    assert await world.status(order) is OrderStatus.HELD
    assert not world.remote(server)
    await world.receive(world.gateway.dispute(order.id, won=True))
    await world.settle()
    assert await world.status(order) is OrderStatus.FULFILLED
    assert len(world.remote(server)) == 1


@pytest.mark.usefixtures("server")
async def test_who_approves_an_order_knows_that_its_money_is_claimed(world: World, ann: User) -> None:
    order = await world.order(ann, await world.tariff())
    short = world.gateway.pay(order.id, replace(order.price, amount=order.price.amount - 1))
    await world.receive(world.gateway.dispute(order.id))
    await world.receive(short)
    await world.settle()
    assert "a bank claims it back" in (await world.look(order)).note
    assert "a bank claims it back" in world.notifier.alerts[-1].about.reason
