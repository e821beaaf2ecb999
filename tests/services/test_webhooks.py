"""What a provider tells us, in any order, any number of times, true or not."""

import json
from dataclasses import replace
from typing import cast

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World, together

from veilbot_adapters.memory.webhook import read, write
from veilbot_core.domain.errors import GatewayOff, InvalidSignature, MalformedEvent, Unavailable
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, PaymentEvent, PaymentStatus, Provider, Receipt
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.failpoints import Point
from veilbot_core.ports.notifier import Notice
from veilbot_core.services.payments import Payments

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def order(world: World, tariff: Tariff, ann: User) -> Order:
    return await world.order(ann, tariff)


def said(world: World, order: Order) -> PaymentEvent:
    """Return what the provider says about an order's charge."""
    event = read(Provider.STRIPE, world.gateway.pay(order.id)[0])
    assert event is not None
    return event


class TestOnce:
    async def test_the_same_event_ten_times_side_by_side_grants_once(
        self, world: World, ann: User, order: Order
    ) -> None:
        webhook = world.gateway.pay(order.id)
        receipts = await together(*(world.receive(webhook) for _ in range(10)))
        await world.settle()
        assert sorted(receipts) == [Receipt.ACCEPTED] + [Receipt.DUPLICATE] * 9
        assert await world.days_left(ann) == 30
        assert len(await world.payments(order)) == 1
        assert (await world.events())[EventType.ORDER_PAID] == 1

    async def test_the_same_charge_under_another_event_grants_once(self, world: World, ann: User, order: Order) -> None:
        await world.pay(order)
        again = replace(said(world, order), event_id="evt_other")
        assert await world.receive(world.gateway.deliver(again)) is Receipt.DUPLICATE
        await world.settle()
        assert await world.days_left(ann) == 30

    async def test_a_webhook_and_our_question_grant_once(self, world: World, ann: User, order: Order) -> None:
        late = world.gateway.pay(order.id)
        await world.advance(HOUR + MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        resigned = world.gateway.sign(late[0])
        assert await world.receive(resigned) is Receipt.DUPLICATE
        await world.settle()
        assert await world.days_left(ann) == 30 - (MINUTE / DAY)


class TestOrder:
    async def test_expired_then_completed_is_granted(self, world: World, order: Order) -> None:
        paid = world.gateway.pay(order.id)
        assert await world.receive(world.gateway.expire(order.id)) is Receipt.ACCEPTED
        assert await world.status(order) is OrderStatus.CANCELED
        assert await world.receive(paid) is Receipt.ACCEPTED
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_completed_then_expired_stays_granted(self, world: World, order: Order) -> None:
        await world.pay(order)
        assert await world.receive(world.gateway.expire(order.id)) is Receipt.IGNORED
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_late_money_for_a_closed_order_is_honoured(self, world: World, ann: User, order: Order) -> None:
        await world.advance(3 * DAY)
        assert await world.status(order) is OrderStatus.CANCELED
        await world.pay(order)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 30

    async def test_a_failed_try_leaves_the_order_open(self, world: World, order: Order) -> None:
        assert await world.receive(world.gateway.fail(order.id)) is Receipt.ACCEPTED
        assert await world.status(order) is OrderStatus.PENDING
        assert (await world.events())[EventType.PAYMENT_FAILED] == 1
        assert await world.pay(order) is Receipt.ACCEPTED

    async def test_failure_and_expiry_of_unknown_orders_are_of_no_concern(self, world: World, order: Order) -> None:
        nowhere = OrderId(order.user_id)
        event = replace(said(world, order), order_id=nowhere, charge_id=None, money=None)
        for number, happening in enumerate((Happening.FAILED, Happening.EXPIRED)):
            webhook = world.gateway.deliver(replace(event, event_id=f"evt_no_{number}", happening=happening))
            assert await world.receive(webhook) is Receipt.IGNORED

    async def test_a_refund_that_is_heard_before_its_charge_grants_nothing(
        self, world: World, ann: User, order: Order
    ) -> None:
        charge = said(world, order)
        refund = replace(charge, event_id="evt_re", external_id="re_1", happening=Happening.REFUNDED)
        await world.receive(world.gateway.deliver(refund))
        await world.receive(world.gateway.deliver(charge))
        await world.settle()
        assert await world.status(order) is OrderStatus.REFUNDED
        assert not await world.keys(ann)
        assert world.notifier.notices_of(ann.id) == [Notice.REFUNDED]


class TestRefusals:
    async def test_a_forged_webhook_changes_nothing(self, world: World, order: Order) -> None:
        body, _ = world.gateway.pay(order.id)
        commits = world.out.storage.commits
        for webhook in (
            world.gateway.forge(body),
            (body, {}),
            world.gateway.sign(body, ago=6 * MINUTE),
            world.gateway.sign(body, ago=-6 * MINUTE),
            (body.replace(b"499", b"498"), world.gateway.sign(body)[1]),
        ):
            with pytest.raises(InvalidSignature):
                await world.receive(webhook)
        assert world.out.storage.commits == commits
        assert await world.status(order) is OrderStatus.PENDING

    async def test_a_signed_body_that_says_nothing_changes_nothing(self, world: World, order: Order) -> None:
        body, _ = world.gateway.pay(order.id)
        commits = world.out.storage.commits
        for garbage in (b"", b"[]", b"{", b"\xff", body.replace(b'"amount": 499', b'"amount": 4.99')):
            with pytest.raises(MalformedEvent):
                await world.receive(world.gateway.sign(garbage))
        assert world.out.storage.commits == commits

    async def test_an_event_of_no_concern_is_not_written(self, world: World) -> None:
        commits = world.out.storage.commits
        webhook = world.gateway.sign(json.dumps({"happening": "customer.created"}).encode())
        assert await world.receive(webhook) is Receipt.IGNORED
        assert world.out.storage.commits == commits

    async def test_a_provider_that_is_off_is_never_read(self, world: World, order: Order) -> None:
        payments = world.app.payments
        off = Payments(
            storage=payments.storage,
            gateways={},
            books=payments.books,
            clock=payments.clock,
            ids=payments.ids,
            failpoints=payments.failpoints,
        )
        with pytest.raises(GatewayOff):
            await off.receive(Provider.STRIPE, *world.gateway.pay(order.id))
        assert world.out.failpoints.passed[Point.REQUEST_READ] == 0

    async def test_a_database_that_is_down_is_not_acknowledged(self, world: World, order: Order) -> None:
        webhook = world.gateway.pay(order.id)
        world.out.storage.fail_next(Unavailable())
        with pytest.raises(Unavailable):
            await world.receive(webhook)
        assert await world.receive(webhook) is Receipt.ACCEPTED


class TestMoneyThatDoesNotFit:
    @pytest.mark.parametrize(
        "money",
        [
            Money(amount=498, currency="USD"),
            Money(amount=500, currency="USD"),
            Money(amount=499, currency="RUB"),
            Money(amount=1, currency="USD"),
            Money(amount=0, currency="USD"),
        ],
        ids=str,
    )
    async def test_another_amount_or_currency_is_held(
        self, world: World, ann: User, order: Order, money: Money
    ) -> None:
        assert await world.receive(world.gateway.pay(order.id, money)) is Receipt.HELD
        await world.settle()
        held = await world.look(order)
        assert held.status is OrderStatus.HELD
        assert str(money) in held.note
        assert not await world.keys(ann)
        assert world.notifier.notices_of(ann.id) == [Notice.HELD]
        assert world.alerts() == ["order.held"]
        (payment,) = await world.app.payments.page(limit=9, status=PaymentStatus.HELD)
        assert payment.money == money

    async def test_a_second_payment_is_held_and_both_sides_are_told_once(
        self, world: World, ann: User, order: Order
    ) -> None:
        await world.pay(order)
        await world.settle()
        assert await world.receive(world.gateway.pay(order.id, again=True)) is Receipt.HELD
        await world.settle()
        assert world.alerts() == ["payment.held"]
        assert world.notifier.notices_of(ann.id) == [Notice.READY, Notice.EXTRA]
        message = world.notifier.told_to(ann.id)[-1]
        assert (message.tariff, message.money) == ("Month", order.price)
        assert await world.days_left(ann) == 30

    async def test_a_charge_without_an_amount_is_held(self, world: World, order: Order) -> None:
        event = replace(said(world, order), money=None)
        assert await world.receive(world.gateway.deliver(event)) is Receipt.HELD

    async def test_another_provider_is_held(self, world: World, ann: User, order: Order) -> None:
        await world.change_order(order.id, lambda o: replace(o, provider=cast("Provider", "other")))
        assert await world.pay(order) is Receipt.HELD
        await world.settle()
        assert await world.status(order) is OrderStatus.HELD
        assert not await world.keys(ann)

    @pytest.mark.parametrize("known", [True, False])
    async def test_money_for_no_order_is_held(self, world: World, order: Order, *, known: bool) -> None:
        event = replace(said(world, order), order_id=OrderId(order.user_id) if known else None)
        assert await world.receive(world.gateway.deliver(event)) is Receipt.HELD
        await world.settle()
        assert world.alerts() == ["payment.held"]
        (payment,) = await world.app.payments.page(limit=9)
        assert (payment.order_id, payment.user_id, payment.note) == (None, None, "no such order")

    async def test_a_second_payment_is_held_and_the_first_stays_good(
        self, world: World, tariff: Tariff, ann: User
    ) -> None:
        order = await world.buy(ann, tariff)
        assert await world.receive(world.gateway.pay(order.id, again=True)) is Receipt.HELD
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 30
        assert world.alerts() == ["payment.held"]

    async def test_right_money_for_a_held_order_waits_for_the_person(self, world: World, order: Order) -> None:
        await world.receive(world.gateway.pay(order.id, Money(amount=1, currency="USD")))
        assert await world.receive(world.gateway.pay(order.id, again=True)) is Receipt.HELD
        assert await world.status(order) is OrderStatus.HELD

    async def test_an_operator_may_accept_what_was_held(self, world: World, ann: User, order: Order) -> None:
        await world.receive(world.gateway.pay(order.id, Money(amount=498, currency="USD")))
        await world.settle()
        await world.app.fulfilment.retry(order.id)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 30


def test_the_fake_provider_writes_what_it_reads(world: World) -> None:
    """The tests here change events between reading and writing."""
    event = PaymentEvent(
        provider=Provider.STRIPE,
        event_id="evt",
        happening=Happening.CHARGED,
        order_id=None,
        external_id="ch",
        money=Money(amount=1, currency="USD"),
        at=world.out.clock.now(),
    )
    assert read(Provider.STRIPE, write(event)) == event
