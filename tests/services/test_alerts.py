"""Operators hear what happened, to whom, how much and why; and which work is dead, and for whom."""

import pytest
from tests.services.world import HOUR, MINUTE, World

from veilbot_core.domain.errors import Rejected
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.jobs import EVERYTHING, JobKind
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Alert


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.order(ann, tariff)


def only(world: World) -> Alert:
    (alert,) = world.notifier.alerts
    return alert


async def test_a_held_order_says_whose_it_is_how_much_it_costs_and_what_came(
    world: World, ann: User, order: Order
) -> None:
    await world.receive(world.gateway.pay(order.id, Money(amount=498, currency="USD")))
    await world.settle()
    about = only(world).about
    assert about.customer == f"{ann.name} (Telegram {ann.telegram_id})"
    assert (about.order_id, about.tariff, about.money) == (order.id, "Month", order.price)
    assert "4.98 USD" in about.reason


async def test_a_second_payment_says_which_one_it_is(world: World, order: Order) -> None:
    await world.pay(order)
    await world.settle()
    await world.receive(world.gateway.pay(order.id, Money(amount=777, currency="EUR"), again=True))
    await world.settle()
    alert = only(world)
    charge = list(world.gateway.charges)[-1]
    assert alert.code == "payment.held"
    assert (alert.about.order_id, alert.about.payment) == (order.id, charge)
    assert alert.about.money == Money(amount=777, currency="EUR")
    assert alert.about.reason


async def test_money_that_nobody_knows_has_an_amount_at_least(world: World, order: Order) -> None:
    world.gateway.pay(order.id)
    (event,) = world.gateway.happened.values()
    stray = type(event)(
        **{name: getattr(event, name) for name in event.__slots__} | {"order_id": OrderId(order.user_id)}
    )
    await world.receive(world.gateway.deliver(stray))
    await world.settle()
    about = only(world).about
    assert (about.customer, about.order_id, about.money, about.reason) == ("", None, order.price, "no such order")


async def test_a_refused_key_names_server_customer_and_reason(
    world: World, server: Server, ann: User, order: Order
) -> None:
    world.vpn.fail_next(Rejected("the port is closed"), on="issue", times=9)
    await world.pay(order)
    await world.advance(MINUTE)
    refused, dead = world.notifier.alerts
    assert (refused.code, refused.about.server, refused.about.reason) == (
        "key.refused",
        server.name,
        "the port is closed",
    )
    assert ann.name in refused.about.customer
    assert (dead.code, dead.work) == ("job.dead", "apply_key")
    assert "the port is closed" in dead.about.reason
    assert [job.id for job in await world.dead()] == [dead.job_id]


async def test_each_dead_job_is_named_however_many_there_are(world: World) -> None:
    lost = [world.out.ids.new() for _ in range(600)]
    for subject in lost:
        await world.ask(JobKind.FULFIL_ORDER, subject)
    for kind in (JobKind.CLOSE_ORDER, JobKind.REFUND_ORDER):
        await world.ask(kind, lost[0])
    await world.advance(10 * MINUTE)
    dead = {job.id: job.kind for job in await world.dead()}
    assert len(dead) == 602
    told = [alert for alert in world.notifier.alerts if alert.code == "job.dead"]
    assert {alert.job_id: alert.work for alert in told} == dead
    assert len(told) == 602


async def test_dead_work_is_listed_with_whom_it_is_for_and_done_when_it_is_tried_again(
    world: World, server: Server, ann: User, order: Order
) -> None:
    world.vpn.fail_next(Rejected("the port is closed"), on="issue", times=2)
    await world.pay(order)
    await world.advance(MINUTE)
    (dead,) = await world.app.notices.dead(limit=10)
    assert (dead.about.server, dead.job.kind) == (server.name, "apply_key")
    assert ann.name in dead.about.customer
    assert "the port is closed" in dead.about.reason
    await world.app.work.requeue(dead.id)
    await world.settle()
    assert await world.status(order) is OrderStatus.FULFILLED
    assert await world.app.notices.dead(limit=10) == []


async def test_a_server_that_is_down_is_named(world: World, server: Server) -> None:
    world.vpn.down(server.id)
    await world.ask(JobKind.PROBE, EVERYTHING)
    await world.settle()
    await world.out.clock.advance(300)
    await world.settle()
    alert = only(world)
    assert (alert.code, alert.about.server) == ("server.down", server.name)
    assert alert.about.since is not None


async def test_what_waits_for_a_place_names_its_order(world: World, tariff: Tariff, ann: User, bob: User) -> None:
    alone = await world.server(country="DE", capacity=1)
    order = await world.order(ann, tariff, country="DE")
    await world.app.subscriptions.give(bob.id, tariff.id, days=1, country="DE", request=alone.id)
    await world.pay(order)
    await world.settle()
    await world.advance(HOUR)
    alert = only(world)
    assert (alert.code, alert.about.order_id, alert.about.money) == ("order.waiting", order.id, order.price)
    assert ann.name in alert.about.customer
