"""What disputes mean for orders: for those that are not delivered yet, for renewals, and for money that went back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

import pytest
from tests.services.test_disputes import dispute
from tests.services.world import HOUR, World

from veilbot_adapters.memory.webhook import read
from veilbot_core.domain.errors import Refused
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Provider
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


async def renewed_under_a_claim(world: World, tariff: Tariff, user: User, order: Order) -> Order:
    """Let a bank claim an order's money while its renewal is under way, and return the renewal, paid since."""
    renewal = await world.order(user, tariff, subscription_id=(await world.subscription(user)).id)
    await dispute(world, order)
    await world.pay(renewal)
    await world.settle()
    return renewal


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
        renewal = await renewed_under_a_claim(world, tariff, ann, order)
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
        renewal = await renewed_under_a_claim(world, tariff, ann, order)
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
    renewal = await renewed_under_a_claim(world, tariff, ann, order)
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
