"""What a refund leaves: no grace for time that was paid back, and money that is owed if it did not arrive."""

from dataclasses import replace

import pytest
from tests.services.test_refunds import dashboard
from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_core.domain.errors import Conflict
from veilbot_core.domain.events import EventType
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, Receipt
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    """An order that was fulfilled ten days ago."""
    bought = await world.buy(ann, tariff)
    await world.advance(10 * DAY)
    return bought


class TestTheEndOfARefundedTime:
    @pytest.fixture
    async def fresh(self, world: World, server: Server, tariff: Tariff, bob: User) -> Order:  # noqa: ARG002
        """An order that was fulfilled an hour ago."""
        bought = await world.buy(bob, tariff)
        await world.advance(HOUR)
        return bought

    async def test_a_full_refund_leaves_no_grace(self, world: World, server: Server, bob: User, fresh: Order) -> None:
        await world.refund(fresh)
        assert not world.remote(server)
        assert (await world.holding(bob)).standing is Standing.EXPIRED
        assert (await world.events())[EventType.SUBSCRIPTION_EXPIRED] == 1
        await world.advance(3 * DAY)
        assert (await world.events())[EventType.SUBSCRIPTION_EXPIRED] == 1
        assert world.notifier.notices_of(bob.id) == [Notice.READY, Notice.REFUNDED]

    async def test_a_part_that_is_all_that_was_left_leaves_none(
        self, world: World, server: Server, bob: User, fresh: Order
    ) -> None:
        await world.advance(10 * DAY)
        await world.refund(fresh, 400)
        assert not world.remote(server)
        assert (await world.holding(bob)).standing is Standing.EXPIRED

    async def test_a_part_that_is_worth_no_day_leaves_the_grace(
        self, world: World, server: Server, bob: User, fresh: Order
    ) -> None:
        await world.advance(30 * DAY)
        assert (await world.holding(bob)).standing is Standing.GRACE
        await world.refund(fresh, 1)
        assert (await world.holding(bob)).standing is Standing.GRACE
        assert len(world.remote(server)) == 1

    async def test_a_part_that_leaves_time_keeps_the_grace_after_it(
        self, world: World, server: Server, bob: User, fresh: Order
    ) -> None:
        await world.refund(fresh, 250)
        await world.advance(15 * DAY)
        assert (await world.holding(bob)).standing is Standing.GRACE
        assert len(world.remote(server)) == 1
        await world.advance(DAY)
        assert not world.remote(server)

    async def test_buying_again_brings_the_same_subscription_back(
        self, world: World, server: Server, tariff: Tariff, bob: User, fresh: Order
    ) -> None:
        before = await world.holding(bob)
        await world.refund(fresh)
        await world.buy(bob, tariff, subscription_id=before.subscription.id)
        after = await world.holding(bob)
        assert (after.standing, after.link) == (Standing.ACTIVE, before.link)
        assert len(world.remote(server)) == 1
        await world.advance(30 * DAY + HOUR)
        assert (await world.holding(bob)).standing is Standing.GRACE


class TestARefundThatDoesNotArrive:
    async def test_everybody_is_told_and_it_can_be_sent_again(self, world: World, ann: User, order: Order) -> None:
        await world.refund(order)
        (refund,) = world.gateway.refunds.values()
        assert await world.receive(world.gateway.fail_refund(refund.id)) is Receipt.ACCEPTED
        await world.settle()
        assert "4.99 USD failed" in (await world.look(order)).note
        assert world.alerts() == ["payment.refund_failed"]
        assert world.notifier.notices_of(ann.id) == [Notice.READY, Notice.REFUNDED, Notice.REFUND_FAILED]
        await world.refund(order)
        assert len(world.gateway.refunds) == 2
        done = await world.look(order)
        assert (done.status, done.note) == (OrderStatus.REFUNDED, "")
        with pytest.raises(Conflict):
            await world.app.payments.ask_refund(order.id)

    async def test_a_part_that_is_sent_again_takes_no_more_days(self, world: World, ann: User, order: Order) -> None:
        await world.refund(order, 250)
        (refund,) = world.gateway.refunds.values()
        await world.receive(world.gateway.fail_refund(refund.id))
        await world.refund(order, 250)
        assert await world.days_left(ann) == 5
        assert await world.status(order) is OrderStatus.FULFILLED

    @pytest.mark.parametrize("amount", [250, None])
    async def test_a_smaller_one_after_it_gives_no_day_back(
        self, world: World, server: Server, ann: User, order: Order, amount: int | None
    ) -> None:
        await world.refund(order, amount)
        (refund,) = world.gateway.refunds.values()
        ends_at = (await world.holding(ann)).subscription.ends_at
        keys = world.remote(server)
        await world.receive(world.gateway.fail_refund(refund.id))
        await world.refund(order, 1)
        assert (await world.holding(ann)).subscription.ends_at == ends_at
        assert world.remote(server) == keys

    async def test_what_is_owed_goes_back_before_a_second_payment(self, world: World, order: Order) -> None:
        await world.refund(order)
        (refund,) = world.gateway.refunds.values()
        await world.receive(world.gateway.pay(order.id, again=True))
        await world.receive(world.gateway.fail_refund(refund.id))
        for _ in range(2):
            await world.refund(order)
        first, again, second = world.gateway.refunds.values()
        assert first.charge_id == again.charge_id != second.charge_id
        with pytest.raises(Conflict):
            await world.app.payments.ask_refund(order.id)

    async def test_a_part_and_all_of_it_asked_at_once_are_all_of_it(self, world: World, order: Order) -> None:
        await world.app.payments.ask_refund(order.id, 1)
        await world.app.payments.ask_refund(order.id)
        await world.advance(MINUTE)
        assert sum(refund.money.amount for refund in world.gateway.refunds.values()) == order.price.amount
        assert await world.status(order) is OrderStatus.REFUNDED
        assert not await world.dead()

    async def test_who_was_not_told_of_a_refund_hears_nothing_wrong(
        self, world: World, ann: User, order: Order
    ) -> None:
        await world.app.payments.ask_refund(order.id)
        (job,) = await world.app.work.claim(1)
        await world.app.work.run(job)
        (refund,) = world.gateway.refunds.values()
        await world.receive(world.gateway.fail_refund(refund.id))
        await world.settle()
        assert Notice.REFUNDED not in world.notifier.notices_of(ann.id)

    async def test_one_of_which_nothing_was_booked_changes_nothing_but_is_known(
        self, world: World, ann: User, order: Order
    ) -> None:
        failed = dashboard(world, order, happening=Happening.REFUND_FAILED)
        webhook = world.gateway.deliver(failed)
        assert [await world.receive(webhook) for _ in range(2)] == [Receipt.ACCEPTED, Receipt.DUPLICATE]
        late = replace(failed, event_id="evt_late", happening=Happening.REFUNDED)
        await world.receive(world.gateway.deliver(late))
        await world.settle()
        assert await world.days_left(ann) == 20
        assert await world.status(order) is OrderStatus.FULFILLED
        assert world.alerts() == ["payment.refund_failed"]
