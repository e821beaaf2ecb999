"""Money sent back takes back what it paid for, and no more."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_core.domain.errors import Conflict, InvalidInput, Rejected, Unknown
from veilbot_core.domain.events import EventType
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, PaymentEvent, PaymentKind, PaymentStatus, Provider, Receipt
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    """An order that was fulfilled ten days ago."""
    bought = await world.buy(ann, tariff)
    await world.advance(10 * DAY)
    return bought


def dashboard(world: World, order: Order, **changes: object) -> PaymentEvent:
    """Return a refund that an operator made at the provider's own page."""
    charge = next(c for c in world.gateway.charges.values() if c.order_id == order.id)
    values = {
        "provider": Provider.STRIPE,
        "event_id": "evt_dashboard",
        "happening": Happening.REFUNDED,
        "order_id": None,
        "external_id": "re_dashboard",
        "charge_id": charge.id,
        "money": charge.money,
        "at": world.out.clock.now(),
    }
    return PaymentEvent(**values | changes)  # type: ignore[arg-type]


class TestRefund:
    async def test_all_of_it_ends_the_access_and_the_order(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        await world.refund(order)
        assert await world.status(order) is OrderStatus.REFUNDED
        assert not world.remote(server)
        assert (await world.app.fleet.get(server.id)).reserved == 0
        assert world.notifier.notices_of(ann.id) == [Notice.READY, Notice.REFUNDED]
        assert (await world.events())[EventType.SUBSCRIPTION_SHRUNK] == 1

    async def test_a_part_of_it_takes_its_share_of_days(self, world: World, ann: User, order: Order) -> None:
        await world.refund(order, 250)
        assert await world.days_left(ann) == 5
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_the_same_part_asked_for_twice_is_said_to_be_under_way(self, world: World, order: Order) -> None:
        """Twice as much cannot be had back; whoever means it asks again when the first part is booked."""
        await world.app.payments.ask_refund(order.id, 200)
        with pytest.raises(Conflict, match="under way"):
            await world.app.payments.ask_refund(order.id, 200)
        await world.settle()
        await world.app.payments.ask_refund(order.id, 200)
        await world.settle()
        refunds = [p.money.amount for p in await world.payments(order) if p.kind is PaymentKind.REFUND]
        assert refunds == [200, 200]

    async def test_parts_add_up_to_all_of_it(self, world: World, server: Server, order: Order) -> None:
        for amount in (100, 100, 299):
            await world.refund(order, amount)
        assert await world.status(order) is OrderStatus.REFUNDED
        assert [r.money.amount for r in world.gateway.refunds.values()] == [100, 100, 299]
        assert not world.remote(server)

    async def test_only_the_refunded_renewal_is_taken_back(
        self, world: World, tariff: Tariff, ann: User, order: Order
    ) -> None:
        renewal = await world.buy(ann, tariff, subscription_id=(await world.look(order)).subscription_id)
        await world.refund(renewal)
        assert await world.days_left(ann) == 20
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_asking_twice_sends_it_once(self, world: World, order: Order) -> None:
        await world.app.payments.ask_refund(order.id)
        await world.app.payments.ask_refund(order.id)
        await world.settle()
        assert len(world.gateway.refunds) == 1
        with pytest.raises(Conflict):
            await world.app.payments.ask_refund(order.id)

    @pytest.mark.parametrize("amount", [0, -1, 500])
    async def test_not_more_than_there_is(self, world: World, order: Order, amount: int) -> None:
        with pytest.raises(InvalidInput) as refusal:
            await world.app.payments.ask_refund(order.id, amount)
        assert refusal.value.field == "amount"

    async def test_what_nobody_paid_is_not_refunded(
        self, world: World, tariff: Tariff, bob: User, order: Order
    ) -> None:
        with pytest.raises(Conflict):
            await world.app.payments.ask_refund((await world.order(bob, tariff)).id)
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_a_refund_whose_answer_was_lost_is_not_sent_twice(self, world: World, order: Order) -> None:
        world.gateway.apply_then_fail(Unknown(), on="refund")
        await world.refund(order, 100)
        await world.advance(MINUTE)
        assert world.gateway.calls["refund"] == 2
        assert len(world.gateway.refunds) == 1
        assert [p.money.amount for p in await world.payments(order) if p.kind is PaymentKind.REFUND] == [100]

    async def test_a_refund_that_the_webhook_told_first_is_booked_once(self, world: World, order: Order) -> None:
        world.gateway.apply_then_fail(Unknown(), on="refund")
        await world.refund(order, 100)
        (sent,) = world.gateway.refunds.values()
        event = dashboard(world, order, external_id=sent.id, money=sent.money)
        assert await world.receive(world.gateway.deliver(event)) is Receipt.ACCEPTED
        await world.advance(MINUTE)
        assert len(world.gateway.refunds) == 1
        assert sum(p.kind is PaymentKind.REFUND for p in await world.payments(order)) == 1

    async def test_what_is_paid_again_after_a_full_refund_goes_back_by_its_own_charge(
        self, world: World, order: Order
    ) -> None:
        await world.refund(order)
        await world.receive(world.gateway.pay(order.id, again=True))
        await world.refund(order)
        assert len({r.charge_id for r in world.gateway.refunds.values()}) == 2
        with pytest.raises(Conflict):
            await world.app.payments.ask_refund(order.id)

    async def test_two_parts_asked_at_once_are_both_sent(self, world: World, ann: User, order: Order) -> None:
        await world.app.payments.ask_refund(order.id, 100)
        await world.app.payments.ask_refund(order.id, 150)
        await world.settle()
        assert sorted(r.money.amount for r in world.gateway.refunds.values()) == [100, 150]
        assert await world.days_left(ann) == 5

    async def test_a_large_part_whose_answer_was_lost_is_sent_once(self, world: World, order: Order) -> None:
        world.gateway.apply_then_fail(Unknown(), on="refund")
        await world.refund(order, 300)
        (sent,) = world.gateway.refunds.values()
        await world.receive(world.gateway.deliver(dashboard(world, order, external_id=sent.id, money=sent.money)))
        await world.advance(MINUTE)
        assert [r.money.amount for r in world.gateway.refunds.values()] == [300]

    async def test_a_refund_that_the_provider_refuses_is_for_a_person(self, world: World, order: Order) -> None:
        world.gateway.fail_next(Rejected("disputed"), on="refund", times=9)
        await world.refund(order)
        await world.advance(MINUTE)
        assert len(await world.dead()) == 1
        assert world.alerts() == ["job.dead"]
        assert await world.status(order) is OrderStatus.FULFILLED


class TestRefundAtTheProvidersPage:
    async def test_it_takes_back_the_days_too(self, world: World, order: Order) -> None:
        webhook = world.gateway.deliver(dashboard(world, order))
        assert [await world.receive(webhook) for _ in range(3)] == [Receipt.ACCEPTED] + [Receipt.DUPLICATE] * 2
        await world.settle()
        assert await world.status(order) is OrderStatus.REFUNDED

    async def test_the_same_refund_under_another_event_counts_once(self, world: World, ann: User, order: Order) -> None:
        part = dashboard(world, order, money=Money(amount=250, currency="USD"))
        await world.receive(world.gateway.deliver(part))
        again = replace(part, event_id="evt_again")
        assert await world.receive(world.gateway.deliver(again)) is Receipt.DUPLICATE
        assert await world.days_left(ann) == 5

    async def test_a_refund_of_nothing_we_know_is_held(self, world: World, order: Order) -> None:
        event = dashboard(world, order, charge_id="ch_unknown")
        assert await world.receive(world.gateway.deliver(event)) is Receipt.HELD
        await world.settle()
        assert world.alerts() == ["payment.held"]
        assert await world.status(order) is OrderStatus.FULFILLED


class TestHeldMoney:
    async def test_it_can_be_sent_back(self, world: World, server: Server, tariff: Tariff, bob: User) -> None:
        order = await world.order(bob, tariff)
        await world.receive(world.gateway.pay(order.id, Money(amount=5, currency="RUB")))
        await world.settle()
        await world.refund(order)
        assert await world.status(order) is OrderStatus.REFUNDED
        assert world.notifier.notices_of(bob.id) == [Notice.HELD, Notice.REFUNDED]
        (refund,) = world.gateway.refunds.values()
        assert refund.money == Money(amount=5, currency="RUB")
        assert not world.remote(server)

    async def test_what_was_beyond_the_price_goes_back_for_nothing(
        self, world: World, server: Server, tariff: Tariff, bob: User
    ) -> None:
        """A cent short, then paid in full, and approved: the customer gets the first one back and keeps all days."""
        order = await world.order(bob, tariff)
        await world.receive(world.gateway.pay(order.id, replace(order.price, amount=order.price.amount - 1)))
        await world.receive(world.gateway.pay(order.id, again=True))
        await world.app.fulfilment.retry(order.id)
        await world.settle()
        assert await world.days_left(bob) == 30
        await world.refund(order)
        assert [refund.money.amount for refund in world.gateway.refunds.values()] == [order.price.amount - 1]
        assert (await world.status(order), await world.days_left(bob)) == (OrderStatus.FULFILLED, 30)
        await world.refund(order)
        assert await world.status(order) is OrderStatus.REFUNDED
        assert not world.remote(server)

    async def test_a_second_payment_goes_back_first(self, world: World, ann: User, order: Order) -> None:
        await world.receive(world.gateway.pay(order.id, again=True))
        await world.refund(order)
        (refund,) = world.gateway.refunds.values()
        assert refund.charge_id.endswith("_2")
        assert await world.status(order) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 20
        await world.refund(order)
        assert await world.status(order) is OrderStatus.REFUNDED

    async def test_a_second_payment_in_another_currency_hides_no_refund(self, world: World, order: Order) -> None:
        await world.receive(world.gateway.pay(order.id, Money(amount=50_000, currency="RUB"), again=True))
        await world.receive(world.gateway.deliver(dashboard(world, order)))
        await world.settle()
        assert await world.status(order) is OrderStatus.REFUNDED

    async def test_each_charge_goes_back_in_its_own_currency(self, world: World, order: Order) -> None:
        await world.receive(world.gateway.pay(order.id, Money(amount=50_000, currency="RUB"), again=True))
        await world.refund(order)
        await world.refund(order)
        sent = {refund.charge_id[-2:]: refund.money for refund in world.gateway.refunds.values()}
        assert sent == {"_2": Money(amount=50_000, currency="RUB"), "_1": Money(amount=499, currency="USD")}
        assert await world.status(order) is OrderStatus.REFUNDED

    async def test_a_held_refund_of_an_approved_charge_without_amount_takes_all(
        self, world: World, server: Server, tariff: Tariff, bob: User
    ) -> None:
        order = await world.order(bob, tariff)
        world.gateway.pay(order.id)
        bare = dashboard(world, order, happening=Happening.CHARGED, order_id=order.id, charge_id=None, money=None)
        await world.receive(world.gateway.deliver(replace(bare, external_id="ch_bare")))
        await world.app.fulfilment.retry(order.id)
        await world.settle()
        assert len(world.remote(server)) == 1
        refund = dashboard(world, order, order_id=order.id, charge_id="ch_bare", event_id="evt_back")
        assert await world.receive(world.gateway.deliver(refund)) is Receipt.ACCEPTED
        await world.advance(2 * DAY)
        assert not world.remote(server)


class TestBeforeTheKeyCame:
    @pytest.fixture
    async def waiting(self, world: World, tariff: Tariff, bob: User) -> Callable[[], Order]:
        """An order that was paid and waits, because the last place went meanwhile."""
        alone = await world.server(country="DE", capacity=1)
        order = await world.order(bob, tariff, country="DE")
        await world.app.subscriptions.give(bob.id, tariff.id, days=1, country="DE", request=alone.id)
        await world.pay(order)
        await world.settle()
        return lambda: order

    async def test_all_of_it_ends_the_wait(self, world: World, waiting: Callable[[], Order]) -> None:
        await world.refund(waiting())
        await world.server(country="DE")
        await world.advance(HOUR)
        assert await world.status(waiting()) is OrderStatus.REFUNDED
        assert sum(key.desired.present for key in await world.keys()) == 1

    async def test_a_part_of_it_shortens_what_comes(self, world: World, waiting: Callable[[], Order]) -> None:
        await world.refund(waiting(), 250)
        await world.server(country="DE")
        await world.advance(HOUR)
        done = await world.look(waiting())
        assert done.status is OrderStatus.FULFILLED
        assert done.subscription_id is not None
        subscription = (await world.app.subscriptions.get(done.subscription_id)).subscription
        assert subscription.ends_at - subscription.created_at == 15 * DAY
        assert all(p.status is PaymentStatus.ACCEPTED for p in await world.payments(done))
