"""A dispute freezes what it paid for, until the bank has decided."""

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from typing import Any, cast
from uuid import uuid4

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_adapters.memory.webhook import read
from veilbot_core.domain.errors import Refused
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, PaymentKind, Provider, Receipt
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice
from veilbot_core.ports.repositories import Orders
from veilbot_core.ports.storage import UnitOfWork


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


class TestMoneyAndDisputes:
    async def test_a_frozen_subscription_is_not_renewed(
        self, world: World, tariff: Tariff, ann: User, order: Order
    ) -> None:
        await dispute(world, order)
        with pytest.raises(Refused):
            await world.order(ann, tariff, subscription_id=(await world.subscription(ann)).id)

    async def test_a_renewal_that_was_under_way_is_held_not_called_fulfilled(
        self, world: World, server: Server, tariff: Tariff, ann: User, order: Order
    ) -> None:
        renewal = await world.order(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await dispute(world, order)
        await world.pay(renewal)
        await world.settle()
        assert await world.status(renewal) is OrderStatus.HELD
        assert world.notifier.notices_of(ann.id) == [Notice.READY, Notice.HELD]
        assert "order.held" in world.alerts()
        await dispute(world, order, won=True)
        assert await world.status(renewal) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 60
        assert len(world.remote(server)) == 1

    async def test_money_that_is_disputed_before_the_key_came_buys_none(
        self, world: World, server: Server, tariff: Tariff, bob: User
    ) -> None:
        order = await world.order(bob, tariff)
        await world.pay(order)
        await world.receive(world.gateway.dispute(order.id))
        await world.settle()
        assert await world.status(order) is OrderStatus.HELD
        assert not world.remote(server)
        await world.advance(HOUR)
        assert not world.remote(server)
        await dispute(world, order, won=True)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1
        assert world.notifier.notices_of(bob.id)[-1] is Notice.READY

    async def test_a_renewal_that_is_disputed_itself_waits_for_its_own_dispute(
        self, world: World, tariff: Tariff, ann: User, order: Order
    ) -> None:
        renewal = await world.order(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await dispute(world, order)
        await world.pay(renewal)
        await world.settle()
        await dispute(world, renewal)
        await dispute(world, order, won=True)
        assert (await world.holding(ann)).standing is Standing.ACTIVE
        assert await world.status(renewal) is OrderStatus.HELD
        await dispute(world, renewal, won=True)
        assert await world.status(renewal) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 60

    async def test_money_that_did_not_match_stays_held_when_its_dispute_is_won(
        self, world: World, tariff: Tariff, bob: User
    ) -> None:
        await world.server()
        order = await world.order(bob, tariff)
        await world.receive(world.gateway.pay(order.id, replace(order.price, amount=498)))
        await dispute(world, order)
        await dispute(world, order, won=True)
        assert await world.status(order) is OrderStatus.HELD
        assert not await world.keys(bob)

    async def test_a_dispute_heard_before_its_charge_holds_the_order(
        self, world: World, tariff: Tariff, bob: User, order: Order
    ) -> None:
        """Found by the simulator: the charge's webhook came an hour late, and bought what the bank claimed back."""
        other = await world.order(bob, tariff)
        late = world.gateway.pay(other.id)
        await dispute(world, other)
        await world.receive(late)
        await world.settle()
        assert await world.status(other) is OrderStatus.HELD
        assert not await world.keys(bob)
        assert "order.held" in world.alerts()
        assert await world.status(order) is OrderStatus.FULFILLED
        await dispute(world, other, won=True)
        assert await world.status(other) is OrderStatus.FULFILLED
        assert len(await world.keys(bob)) == 1

    async def test_winning_one_order_does_not_thaw_what_another_still_claims(
        self, world: World, tariff: Tariff, ann: User, order: Order
    ) -> None:
        renewal = await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await dispute(world, order, won=False)
        await dispute(world, renewal)
        await dispute(world, renewal, won=True)
        assert (await world.holding(ann)).standing is Standing.FROZEN

    async def test_disputed_money_that_bought_nothing_freezes_nothing(
        self, world: World, tariff: Tariff, ann: User, order: Order
    ) -> None:
        """Found by the simulator: a renewal was paid a cent short, and held; its dispute took the paid key away."""
        renewal = await world.order(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await world.receive(world.gateway.pay(renewal.id, replace(renewal.price, amount=renewal.price.amount - 1)))
        await dispute(world, renewal)
        assert (await world.holding(ann)).standing is Standing.ACTIVE
        assert await world.status(order) is OrderStatus.FULFILLED


class TestRefundedOrders:
    """Money that went back bought nothing: a bank that claims it, too, takes nothing that somebody else's paid for."""

    async def test_a_claim_on_what_went_back_leaves_the_renewal(
        self, world: World, server: Server, tariff: Tariff, ann: User, order: Order
    ) -> None:
        renewal = await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await world.refund(order)
        await dispute(world, order)
        await world.settle()
        assert (await world.holding(ann)).standing is Standing.ACTIVE
        assert len(world.remote(server)) == 1
        assert world.alerts()[-1] == "payment.disputed"
        await dispute(world, renewal)
        await world.settle()
        assert (await world.holding(ann)).standing is Standing.FROZEN

    async def test_what_goes_back_under_a_claim_thaws_the_rest(
        self, world: World, server: Server, tariff: Tariff, ann: User, order: Order
    ) -> None:
        await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await dispute(world, order)
        await world.settle()
        assert not world.remote(server)
        await world.refund(order)
        await world.settle()
        assert (await world.holding(ann)).standing is Standing.ACTIVE
        assert len(world.remote(server)) == 1


async def test_a_renewal_that_is_claimed_while_its_subscription_thaws_stays_held(
    world: World, tariff: Tariff, ann: User, order: Order
) -> None:
    """Two workers at once: on Postgres the one that thaws waits for the other's lock, and must look after it has it."""
    renewal = await world.order(ann, tariff, subscription_id=(await world.subscription(ann)).id)
    await dispute(world, order)
    await world.pay(renewal)
    await world.settle()
    assert await world.status(renewal) is OrderStatus.HELD
    claimed = read(Provider.STRIPE, world.gateway.dispute(renewal.id)[0])
    won = read(Provider.STRIPE, world.gateway.dispute(order.id, won=True)[0])
    assert claimed is not None
    assert won is not None
    books, now = world.app.payments.books, world.out.clock.now()

    def work(uow: UnitOfWork) -> None:
        mine = uow.orders
        uow.orders = cast("Orders", Meanwhile(mine, renewal.id, lambda: books.enter(uow, claimed, now)))
        try:
            books.enter(uow, won, now)
        finally:
            uow.orders = mine

    await world.out.storage.write(work)
    await world.settle()
    assert await world.status(renewal) is OrderStatus.HELD


class Meanwhile:
    """Orders of which one is locked by somebody else, who does something before letting it go."""

    def __init__(self, orders: Orders, locked: OrderId, act: Callable[[], object]) -> None:
        self._orders, self._locked, self._act = orders, locked, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._orders, name)

    def lock(self, order_id: OrderId) -> Order:
        if order_id == self._locked:
            self._locked = OrderId(uuid4())
            self._act()
        return self._orders.lock(order_id)
