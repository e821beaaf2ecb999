"""From a paid order to a key that works, when servers do not do as they should."""

from datetime import timedelta

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World, together

from veilbot_core.domain.errors import NoCapacity, Rejected, Unavailable, Unknown
from veilbot_core.domain.events import EventType
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


class TestAServerInTrouble:
    async def test_it_times_out_after_creating(self, world: World, server: Server, tariff: Tariff, ann: User) -> None:
        world.vpn.apply_then_fail(Unknown("no answer"), on="issue")
        order = await world.buy(ann, tariff)
        assert order.status is OrderStatus.PAID
        await world.advance(MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert world.remote(server) == {str((await world.key(ann)).id)}
        assert world.vpn.calls["issue"] == 2

    async def test_it_is_down_for_three_hours(self, world: World, server: Server, tariff: Tariff, ann: User) -> None:
        order = await world.order(ann, tariff)
        world.vpn.down(server.id)
        await world.app.work.plant()
        await world.pay(order)
        await world.settle()
        await world.advance(10 * timedelta(seconds=1))
        assert world.notifier.notices_of(ann.id) == [Notice.PAID]
        await world.advance(3 * HOUR)
        assert await world.status(order) is OrderStatus.PAID
        assert world.notifier.notices_of(ann.id) == [Notice.PAID]
        assert (await world.holding(ann)).coming == 1
        assert world.alerts() == ["server.down"]
        world.vpn.up(server.id)
        await world.advance(2 * MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert world.notifier.notices_of(ann.id) == [Notice.PAID, Notice.READY]
        assert world.alerts() == ["server.down", "server.up"]
        assert len(world.gateway.charges) == 1
        assert not await world.dead()

    async def test_others_go_on(self, world: World, server: Server, tariff: Tariff, ann: User, bob: User) -> None:
        order = await world.order(ann, tariff)
        await world.pay(order)
        world.vpn.down(server.id)
        await world.settle()
        other = await world.server(country="DE")
        await world.buy(bob, tariff, country="DE")
        assert len(world.remote(other)) == 1
        assert await world.status(order) is OrderStatus.PAID

    async def test_it_refuses_because_it_is_not_the_one_that_was_pinned(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.vpn.fail_next(Rejected("the certificate is not the pinned one"), on="issue", times=2)
        order = await world.buy(ann, tariff)
        await world.advance(MINUTE)
        assert await world.status(order) is OrderStatus.PAID
        assert not world.remote(server)
        assert sorted(world.alerts()) == ["job.dead", "key.refused"]
        await world.advance(5 * MINUTE)
        assert len(world.alerts()) == 2
        assert (await world.events())[EventType.KEY_REFUSED] == 1
        assert "pinned" in (await world.key(ann)).note
        await world.app.fulfilment.retry(order.id)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert (await world.key(ann)).note == ""

    async def test_a_refused_key_that_no_order_waits_for_comes_with_the_next_pass(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.vpn.fail_next(Rejected("the inbound is gone"), on="issue", times=2)
        await world.app.subscriptions.give(ann.id, tariff.id, days=30, country=None, request=ann.id)
        await world.advance(MINUTE)
        assert len(await world.dead()) == 1
        assert not world.remote(server)
        await world.app.provisioning.reconcile(server.id)
        await world.settle()
        assert len(world.remote(server)) == 1
        assert not await world.dead()

    async def test_a_protocol_without_an_adapter_ends_with_a_person(
        self, world: World, tariff: Tariff, ann: User, server: Server
    ) -> None:
        protocols = world.app.provisioning.protocols
        await world.order(ann, tariff)
        assert isinstance(protocols, dict)
        adapter = protocols.pop(Protocol.OUTLINE)
        order = await world.order(ann, tariff)
        await world.pay(order)
        await world.advance(10 * MINUTE)
        assert [job.attempts for job in await world.dead()] == [world.out.policy.attempts]
        protocols[Protocol.OUTLINE] = adapter
        await world.app.fulfilment.retry(order.id)
        await world.settle()
        assert len(world.remote(server)) == 1

    async def test_a_key_that_came_after_the_days_were_over_is_not_called_ready(
        self, world: World, server: Server, ann: User
    ) -> None:
        short = await world.tariff(days=1)
        order = await world.order(ann, short)
        world.vpn.down(server.id)
        await world.pay(order)
        await world.settle()
        await world.out.clock.advance((4 * DAY).total_seconds())
        await world.advance(MINUTE)
        world.vpn.up(server.id)
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.HELD
        assert Notice.READY not in world.notifier.notices_of(ann.id)
        assert Notice.HELD in world.notifier.notices_of(ann.id)
        assert "order.held" in world.alerts()
        assert not world.remote(server)


class TestTheLastPlace:
    async def test_of_two_buyers_one_gets_it_and_the_other_is_told_the_truth(
        self, world: World, tariff: Tariff, ann: User, bob: User
    ) -> None:
        server = await world.server(capacity=1)
        orders = [await world.order(user, tariff) for user in (ann, bob)]
        await together(*(world.pay(order) for order in orders))
        await world.settle()
        statuses = [await world.status(order) for order in orders]
        assert sorted(statuses) == [OrderStatus.FULFILLED, OrderStatus.PAID]
        assert len(world.remote(server)) == 1
        await world.advance(HOUR)
        loser = (ann, bob)[statuses.index(OrderStatus.PAID)]
        assert world.notifier.notices_of(loser.id) == [Notice.PAID]
        assert world.alerts() == ["order.waiting"]
        await world.server(capacity=1)
        await world.advance(2 * MINUTE)
        assert {await world.status(order) for order in orders} == {OrderStatus.FULFILLED}
        assert world.notifier.notices_of(loser.id) == [Notice.PAID, Notice.READY]

    async def test_another_server_that_fits_is_taken_instead(
        self, world: World, tariff: Tariff, ann: User, bob: User
    ) -> None:
        await world.server(capacity=1)
        order = await world.order(ann, tariff)
        await world.buy(bob, tariff)
        other = await world.server(country="DE")
        await world.pay(order)
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(other)) == 1

    async def test_the_operator_hears_of_it_though_something_else_failed_first(
        self, world: World, tariff: Tariff, ann: User, bob: User
    ) -> None:
        await world.server(capacity=1)
        order = await world.order(ann, tariff)
        await world.buy(bob, tariff)
        await world.pay(order)
        (job, *_) = await world.app.work.claim(1)
        world.out.storage.fail_next(Unavailable())
        await world.app.work.run(job)
        await world.advance(10 * MINUTE)
        assert world.alerts() == ["order.waiting"]

    async def test_half_of_what_was_bought_reserves_nothing(self, world: World, ann: User, bob: User) -> None:
        both = await world.tariff(protocols=(Protocol.OUTLINE, Protocol.V2RAY))
        outline = await world.server()
        await world.server(protocol=Protocol.V2RAY, capacity=1)
        order = await world.order(ann, both)
        await world.buy(bob, both)
        await world.pay(order)
        await world.settle()
        assert await world.status(order) is OrderStatus.PAID
        assert (await world.app.fleet.get(outline.id)).reserved == 1
        assert len(world.remote(outline)) == 1

    async def test_a_place_is_free_again_when_the_key_is_gone(
        self, world: World, tariff: Tariff, ann: User, bob: User
    ) -> None:
        server = await world.server(capacity=1)
        await world.buy(ann, tariff)
        with pytest.raises(NoCapacity):
            await world.order(bob, tariff)
        await world.advance(32 * DAY)
        assert (await world.buy(bob, tariff)).status is OrderStatus.FULFILLED
        assert world.remote(server) == {str((await world.key(bob)).id)}


class TestServersThatTakeNoMore:
    async def test_a_draining_server_keeps_serving_what_it_has(
        self, world: World, server: Server, tariff: Tariff, ann: User, bob: User
    ) -> None:
        await world.buy(ann, tariff)
        await world.app.fleet.turn(server.id, ServerStatus.DRAINING)
        with pytest.raises(NoCapacity):
            await world.order(bob, tariff)
        renewal = await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        assert renewal.status is OrderStatus.FULFILLED
        await world.advance(62 * DAY)
        assert not world.remote(server)

    async def test_a_disabled_server_is_not_called_until_it_is_back(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        await world.app.fleet.turn(server.id, ServerStatus.DISABLED)
        calls = world.vpn.calls.total()
        await world.advance(31 * DAY + HOUR)
        await world.ask(JobKind.RECONCILE_SERVER, server.id)
        await world.app.work.plant()
        await world.settle()
        assert world.vpn.calls.total() == calls
        await world.app.fleet.turn(server.id, ServerStatus.ACTIVE)
        await world.advance(2 * MINUTE)
        assert not world.remote(server)

    async def test_a_customer_who_comes_back_is_not_sent_to_a_server_that_is_down(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        await world.advance(32 * DAY)
        world.vpn.down(server.id)
        await world.app.work.plant()
        await world.settle()
        other = await world.server(country="DE")
        renewal = await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        assert renewal.status is OrderStatus.FULFILLED
        assert len(world.remote(other)) == 1

    async def test_a_customer_who_comes_back_gets_the_old_key_where_there_is_room(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        before = await world.key(ann)
        await world.advance(32 * DAY)
        await world.server(capacity=500)
        await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        assert world.remote(server) == {str(before.id)}
        assert len(await world.keys(ann)) == 1


class TestTheSweeper:
    async def test_what_lost_its_job_is_driven_again(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        order: Order = await world.order(ann, tariff)
        await world.pay(order)
        for job in await world.app.work.claim(10):
            await world.forget(job)
        await world.settle()
        assert await world.status(order) is OrderStatus.PAID
        await world.advance(MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1

    async def test_a_key_that_lost_its_job_is_driven_again(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.app.subscriptions.give(ann.id, tariff.id, days=30, country=None, request=ann.id)
        (job,) = await world.app.work.claim(10)
        await world.forget(job)
        await world.advance(MINUTE)
        assert len(world.remote(server)) == 1
