"""Money that was sent back at the provider's own page while, or before, we had to do with it."""

from dataclasses import replace

import pytest
from tests.services.world import DAY, MINUTE, World

from veilbot_adapters.memory.payments import Webhook
from veilbot_adapters.memory.webhook import read
from veilbot_core.domain.errors import Conflict
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import PaymentStatus, Provider, Receipt
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    """An order that was fulfilled ten days ago."""
    bought = await world.buy(ann, tariff)
    await world.advance(10 * DAY)
    return bought


def panel(world: World, order: Order, amount: int) -> Webhook:
    """Let an operator send money back at the provider's own page."""
    return world.gateway.give_back(order.id, Money(amount=amount, currency="USD"))


@pytest.mark.parametrize("told_first", [True, False])
async def test_what_went_back_at_the_providers_page_meanwhile_is_not_sent_again(
    world: World, order: Order, *, told_first: bool
) -> None:
    await world.app.payments.ask_refund(order.id)
    webhook = panel(world, order, order.price.amount)
    if not told_first:  # refused, and nobody knows why yet: for a person
        await world.advance(MINUTE)
        assert [job.kind for job in await world.dead()] == [JobKind.REFUND_ORDER]
    await world.receive(webhook)
    for job in await world.dead():
        await world.app.work.requeue(job.id)
    await world.advance(MINUTE)
    assert not await world.dead()
    assert len(world.gateway.refunds) == 1
    assert await world.status(order) is OrderStatus.REFUNDED


async def test_of_what_went_back_in_part_meanwhile_the_rest_is_sent(world: World, order: Order) -> None:
    await world.app.payments.ask_refund(order.id)
    await world.receive(panel(world, order, 150))
    await world.advance(MINUTE)
    assert [r.money.amount for r in world.gateway.refunds.values()] == [150, order.price.amount - 150]
    assert await world.status(order) is OrderStatus.REFUNDED
    assert not await world.dead()


async def test_a_part_that_is_more_than_what_is_left_is_for_a_person(world: World, order: Order) -> None:
    await world.app.payments.ask_refund(order.id, 400)
    await world.receive(panel(world, order, 300))
    await world.advance(MINUTE)
    assert [r.money.amount for r in world.gateway.refunds.values()] == [300]
    assert len(await world.dead()) == 1


def in_yen(world: World, order: Order) -> Webhook:
    """Say of a refund that it was made in yen, as many as the order's price has cents."""
    event = read(Provider.STRIPE, panel(world, order, order.price.amount)[0])
    assert event is not None
    return world.gateway.deliver(replace(event, money=replace(order.price, currency="JPY")))


async def test_what_went_back_in_another_currency_is_for_a_person(
    world: World, server: Server, ann: User, order: Order
) -> None:
    assert await world.receive(in_yen(world, order)) is Receipt.HELD
    await world.settle()
    assert await world.status(order) is OrderStatus.FULFILLED
    assert len(world.remote(server)) == 1
    assert await world.days_left(ann) == 20
    _, refund = await world.payments(order)
    assert refund.status is PaymentStatus.HELD
    assert refund.note == "499 JPY went back of a charge of 4.99 USD"
    assert world.alerts() == ["payment.held"]


async def test_nor_does_it_count_when_it_is_heard_before_its_charge(
    world: World, tariff: Tariff, server: Server, bob: User
) -> None:
    order = await world.order(bob, tariff)
    charge = world.gateway.pay(order.id)
    await world.receive(in_yen(world, order))
    await world.receive(charge)
    await world.settle()
    assert await world.status(order) is OrderStatus.FULFILLED
    assert len(world.remote(server)) == 1


async def test_money_whose_refund_was_heard_of_first_is_not_held(
    world: World, server: Server, tariff: Tariff, bob: User
) -> None:
    order = await world.order(bob, tariff)
    charge = world.gateway.pay(order.id, Money(amount=498, currency="USD"))
    await world.receive(panel(world, order, 498))
    await world.receive(charge)
    await world.settle()
    assert await world.status(order) is OrderStatus.REFUNDED
    with pytest.raises(Conflict):
        await world.app.fulfilment.retry(order.id)
    assert not world.remote(server)
