"""What an operator does by hand, and the link that a customer shares."""

import pytest
from tests.services.world import DAY, World, together

from veilbot_core.domain.errors import Conflict, InvalidInput, NoCapacity, NotFound
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User


@pytest.mark.usefixtures("server")
class TestByHand:
    async def test_a_gift_is_given_once_per_request(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        acts = [
            world.app.subscriptions.give(ann.id, tariff.id, days=7, country=None, request=tariff.id) for _ in range(3)
        ]
        given = await together(*acts)
        await world.settle()
        assert {subscription.id for subscription in given} == {(await world.subscription(ann)).id}
        assert await world.days_left(ann) == 7
        assert len(world.remote(server)) == 1

    async def test_days_are_added_once_per_request(self, world: World, tariff: Tariff, ann: User, bob: User) -> None:
        await world.buy(ann, tariff)
        subscription = (await world.subscription(ann)).id
        for request in (bob.id, bob.id, tariff.id):
            await world.app.subscriptions.extend(subscription, 10, request)
        assert await world.days_left(ann) == 50

    async def test_keys_that_had_gone_come_back(self, world: World, server: Server, tariff: Tariff, ann: User) -> None:
        await world.buy(ann, tariff)
        await world.advance(40 * DAY)
        await world.app.subscriptions.extend((await world.subscription(ann)).id, 3, ann.id)
        await world.settle()
        assert len(world.remote(server)) == 1
        assert (await world.holding(ann)).standing is Standing.ACTIVE

    async def test_days_do_not_thaw(self, world: World, server: Server, tariff: Tariff, ann: User) -> None:
        order = await world.buy(ann, tariff)
        await world.receive(world.gateway.dispute(order.id))
        await world.settle()
        await world.app.subscriptions.extend((await world.subscription(ann)).id, 3, ann.id)
        await world.settle()
        assert not world.remote(server)

    @pytest.mark.parametrize("days", [0, -1, 36501])
    async def test_days_are_some(self, world: World, tariff: Tariff, ann: User, days: int) -> None:
        with pytest.raises(InvalidInput):
            await world.app.subscriptions.give(ann.id, tariff.id, days=days, country=None, request=ann.id)
        assert not await world.app.subscriptions.of_user(ann.id)

    async def test_a_gift_needs_a_place(self, world: World, tariff: Tariff, ann: User) -> None:
        with pytest.raises(NoCapacity):
            await world.app.subscriptions.give(ann.id, tariff.id, days=1, country="US", request=ann.id)
        with pytest.raises(InvalidInput):
            await world.app.subscriptions.give(ann.id, tariff.id, days=1, country="usa", request=ann.id)
        assert not await world.app.subscriptions.page(limit=10)

    async def test_retrying_what_needs_no_retry(self, world: World, tariff: Tariff, ann: User) -> None:
        order = await world.order(ann, tariff)
        for _ in range(2):
            with pytest.raises(Conflict):
                await world.app.fulfilment.retry(order.id)
            await world.pay(order)
            await world.settle()

    async def test_retrying_an_order_that_waits(self, world: World, server: Server, tariff: Tariff, ann: User) -> None:
        order = await world.order(ann, tariff)
        world.vpn.down(server.id)
        await world.pay(order)
        await world.settle()
        world.vpn.up(server.id)
        await world.app.fulfilment.retry(order.id)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED


@pytest.mark.usefixtures("server")
class TestLinks:
    async def test_a_link_shows_what_its_owner_has(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.buy(ann, tariff)
        holding = await world.holding(ann)
        assert await world.app.subscriptions.by_link(holding.link.rpartition("/")[2]) == holding
        assert await world.app.subscriptions.get(holding.subscription.id, of=ann.id) == holding

    async def test_somebody_elses_is_not_found(self, world: World, tariff: Tariff, ann: User, bob: User) -> None:
        await world.buy(ann, tariff)
        subscription = (await world.subscription(ann)).id
        with pytest.raises(NotFound):
            await world.app.subscriptions.get(subscription, of=bob.id)
        with pytest.raises(NotFound):
            await world.app.subscriptions.rotate(subscription, of=bob.id)
        with pytest.raises(NotFound):
            await world.app.subscriptions.by_link("guess")
        assert await world.app.subscriptions.of_user(bob.id) == []

    async def test_a_new_link_kills_the_old_one_and_keeps_the_keys(
        self, world: World, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        before = await world.holding(ann)
        after = await world.app.subscriptions.rotate(before.subscription.id, of=ann.id)
        assert after.link != before.link
        assert after.keys == before.keys
        with pytest.raises(NotFound):
            await world.app.subscriptions.by_link(before.link.rpartition("/")[2])
        assert (await world.app.subscriptions.by_link(after.link.rpartition("/")[2])) == after

    async def test_pages_for_the_operator(self, world: World, tariff: Tariff, ann: User, bob: User) -> None:
        for user in (ann, bob):
            await world.buy(user, tariff)
        subscriptions = await world.app.subscriptions.page(limit=10)
        assert [s.user_id for s in subscriptions] == [bob.id, ann.id]
        assert await world.app.subscriptions.page(limit=10, after=subscriptions[0].id) == subscriptions[1:]
        assert [key.user_id for key in await world.keys(ann)] == [ann.id]
