"""A dispute freezes what it paid for, until the bank has decided."""

from dataclasses import replace
from itertools import permutations

import pytest
from tests.services.world import DAY, MINUTE, World

from veilbot_adapters.memory.webhook import read
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, PaymentKind, Provider, Receipt
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.buy(ann, tariff)


async def dispute(world: World, order: Order, *, won: bool | None = None) -> Receipt:
    receipt = await world.receive(world.gateway.dispute(order.id, won=won))
    await world.settle()
    return receipt


class TestDispute:
    async def test_it_freezes_and_the_operator_hears_of_it(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        assert await dispute(world, order) is Receipt.ACCEPTED
        assert (await world.holding(ann)).standing is Standing.FROZEN
        assert not world.remote(server)
        assert world.alerts() == ["payment.disputed"]
        assert [p.kind for p in await world.payments(order)] == [PaymentKind.CHARGE, PaymentKind.DISPUTE]

    async def test_winning_gives_the_same_key_back(self, world: World, server: Server, ann: User, order: Order) -> None:
        before = await world.key(ann)
        await dispute(world, order)
        await dispute(world, order, won=True)
        assert (await world.holding(ann)).standing is Standing.ACTIVE
        assert world.remote(server) == {str(before.id)}
        assert await world.days_left(ann) == 30

    async def test_losing_leaves_it_frozen(self, world: World, server: Server, ann: User, order: Order) -> None:
        await dispute(world, order)
        await dispute(world, order, won=False)
        await world.advance(3 * DAY)
        assert (await world.holding(ann)).standing is Standing.FROZEN
        assert not world.remote(server)
        assert (await world.events())[EventType.SUBSCRIPTION_FROZEN] == 1

    async def test_lost_after_it_was_won_freezes_again(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        for won in (None, True, False):
            await dispute(world, order, won=won)
            await world.out.clock.advance(60)
        assert (await world.holding(ann)).standing is Standing.FROZEN
        assert not world.remote(server)
        assert world.alerts() == ["payment.disputed", "payment.disputed"]
        kinds = [PaymentKind.CHARGE, PaymentKind.DISPUTE, PaymentKind.REVERSAL, PaymentKind.DISPUTE_LOST]
        assert [p.kind for p in await world.payments(order)] == kinds

    @pytest.mark.parametrize("heard", list(permutations(range(3))))
    @pytest.mark.parametrize("last", [True, False])
    async def test_what_happened_last_decides_in_whatever_order_it_is_heard(
        self,
        world: World,
        ann: User,
        order: Order,
        heard: tuple[int, ...],
        last: bool,  # noqa: FBT001
    ) -> None:
        told = []
        for won in (None, not last, last):
            told.append(world.gateway.dispute(order.id, won=won))
            await world.out.clock.advance(60)
        for number in heard:
            await world.receive(told[number])
            await world.settle()
        assert (await world.holding(ann)).standing is (Standing.ACTIVE if last else Standing.FROZEN)

    async def test_a_bank_that_only_asks_stops_nothing_and_the_operator_hears_of_it(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        claimed = read(Provider.STRIPE, world.gateway.dispute(order.id)[0])
        assert claimed is not None
        asked = replace(claimed, event_id="evt_asked", happening=Happening.INQUIRY)
        assert await world.receive(world.gateway.deliver(asked)) is Receipt.ACCEPTED
        await world.settle()
        assert (await world.holding(ann)).standing is Standing.ACTIVE
        assert len(world.remote(server)) == 1
        assert [p.kind for p in await world.payments(order)] == [PaymentKind.CHARGE]
        (alert,) = world.notifier.alerts
        assert (alert.code, alert.about.order_id) == ("payment.inquiry", order.id)
        await world.receive(world.gateway.deliver(claimed))  # the money goes after all, under the same dispute
        await world.settle()
        assert (await world.holding(ann)).standing is Standing.FROZEN

    async def test_an_end_that_nobody_knows_is_for_a_person(self, world: World, ann: User, order: Order) -> None:
        await dispute(world, order)
        event = read(Provider.STRIPE, world.gateway.dispute(order.id)[0])
        assert event is not None
        odd = replace(event, event_id="evt_odd", doubt="it ended in a way that is not known")
        books, now = world.app.payments.books, world.out.clock.now()
        assert await world.out.storage.write(lambda uow: books.enter(uow, odd, now)) is Receipt.DUPLICATE
        await world.settle()
        assert (await world.holding(ann)).standing is Standing.FROZEN
        assert world.alerts() == ["payment.disputed", "settle.trouble"]

    async def test_a_bank_that_asks_about_an_unknown_charge_is_told_too(self, world: World, order: Order) -> None:
        claimed = read(Provider.STRIPE, world.gateway.dispute(order.id)[0])
        assert claimed is not None
        asked = replace(claimed, event_id="evt_asked", happening=Happening.INQUIRY, charge_id="ch_unknown")
        await world.receive(world.gateway.deliver(asked))
        await world.settle()
        assert world.alerts() == ["payment.inquiry"]

    async def test_the_same_dispute_twice_is_booked_once(self, world: World, order: Order) -> None:
        assert await dispute(world, order) is Receipt.ACCEPTED
        assert await dispute(world, order) is Receipt.DUPLICATE
        assert (await world.events())[EventType.PAYMENT_DISPUTED] == 1

    async def test_winning_what_was_never_frozen_changes_nothing(self, world: World, ann: User, order: Order) -> None:
        assert await dispute(world, order, won=True) is Receipt.ACCEPTED
        assert (await world.holding(ann)).standing is Standing.ACTIVE

    async def test_won_heard_before_disputed_leaves_it_as_it_was(self, world: World, ann: User, order: Order) -> None:
        await dispute(world, order, won=True)
        await dispute(world, order)
        assert (await world.holding(ann)).standing is Standing.ACTIVE

    async def test_of_two_disputes_both_must_be_won(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        await dispute(world, order)
        event = read(Provider.STRIPE, world.gateway.dispute(order.id)[0])
        assert event is not None
        second = replace(event, event_id="evt_second", external_id="dp_second")
        await world.receive(world.gateway.deliver(second))
        await dispute(world, order, won=True)
        assert (await world.holding(ann)).standing is Standing.FROZEN
        won = replace(second, event_id="evt_won", happening=Happening.DISPUTE_WON)
        await world.receive(world.gateway.deliver(won))
        await world.settle()
        assert (await world.holding(ann)).standing is Standing.ACTIVE
        assert len(world.remote(server)) == 1

    async def test_won_without_a_free_place_the_key_waits_for_one(
        self, world: World, server: Server, tariff: Tariff, order: Order, bob: User
    ) -> None:
        await dispute(world, order)
        for _ in range(server.capacity):
            await world.buy(bob, tariff)
        assert await dispute(world, order, won=True) is Receipt.ACCEPTED
        assert world.alerts() == ["payment.disputed", "order.waiting"]
        other = await world.server()
        await world.advance(2 * MINUTE)
        assert len(world.remote(other)) == 1

    async def test_winning_after_the_end_brings_no_key_back(self, world: World, server: Server, order: Order) -> None:
        await dispute(world, order)
        await world.advance(40 * DAY)
        await dispute(world, order, won=True)
        assert not world.remote(server)

    async def test_a_frozen_customer_is_not_reminded(self, world: World, ann: User, order: Order) -> None:
        await dispute(world, order)
        await world.advance(40 * DAY)
        assert world.notifier.notices_of(ann.id) == [Notice.READY]

    async def test_a_dispute_of_an_unknown_charge_only_alerts(self, world: World, tariff: Tariff, bob: User) -> None:
        await world.server()
        order = await world.order(bob, tariff)
        world.gateway.pay(order.id)
        assert await dispute(world, order) is Receipt.ACCEPTED
        assert world.alerts() == ["payment.disputed"]

    async def test_a_dispute_of_no_order_only_alerts(self, world: World, order: Order) -> None:
        event = read(Provider.STRIPE, world.gateway.dispute(order.id)[0])
        assert event is not None
        elsewhere = replace(event, charge_id=None, order_id=OrderId(order.user_id))
        assert await world.receive(world.gateway.deliver(elsewhere)) is Receipt.ACCEPTED
        await world.settle()
        assert world.alerts() == ["payment.disputed"]
        assert await world.status(order) is OrderStatus.FULFILLED
