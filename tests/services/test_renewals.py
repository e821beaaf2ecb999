"""Renewing: the same link, and days that add up."""

import pytest
from tests.services.world import DAY, HOUR, MINUTE, POLICY, World, ids, together

from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.key import KeyState
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.buy(ann, tariff)


async def renew(world: World, user: User, tariff: Tariff) -> Order:
    return await world.buy(user, tariff, subscription_id=(await world.subscription(user)).id)


@pytest.mark.usefixtures("order")
class TestRenewal:
    @pytest.mark.parametrize(
        ("after", "left"),
        [
            (10 * DAY, 50 * DAY),
            (30 * DAY - 5 * MINUTE, 30 * DAY + 5 * MINUTE),
            (30 * DAY, 30 * DAY),
            (30 * DAY + 5 * MINUTE, 30 * DAY),
            (31 * DAY - MINUTE, 30 * DAY),
            (31 * DAY + MINUTE, 30 * DAY),
            (200 * DAY, 30 * DAY),
        ],
        ids=str,
    )
    async def test_days_add_to_the_end_or_begin_now_and_the_link_stays(
        self, world: World, server: Server, tariff: Tariff, ann: User, *, after: object, left: object
    ) -> None:
        before, key = await world.holding(ann), await world.key(ann)
        await world.advance(after)  # type: ignore[arg-type]
        renewal = await renew(world, ann, tariff)
        assert renewal.status is OrderStatus.FULFILLED
        now = await world.holding(ann)
        assert now.link == before.link
        assert now.subscription.ends_at - world.out.clock.now() == left
        assert world.remote(server) == {str(key.id)}
        assert now.keys == before.keys
        assert world.notifier.notices_of(ann.id)[-1] is Notice.RENEWED

    async def test_two_that_are_paid_together_add_up(self, world: World, tariff: Tariff, ann: User) -> None:
        subscription = (await world.subscription(ann)).id
        first = await world.order(ann, tariff, subscription_id=subscription)
        await world.advance(31 * MINUTE)
        second = await world.order(ann, tariff, subscription_id=subscription)
        assert first.id != second.id
        await together(world.pay(first), world.pay(second))
        await world.settle()
        await world.advance(2 * MINUTE)
        assert {await world.status(order) for order in (first, second)} == {OrderStatus.FULFILLED}
        assert await world.days_left(ann) == 90 - 33 * MINUTE / DAY
        assert world.notifier.notices_of(ann.id).count(Notice.RENEWED) == 2

    async def test_two_that_wait_for_one_server_are_both_fulfilled(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.advance(40 * DAY)
        subscription = (await world.subscription(ann)).id
        first = await world.order(ann, tariff, subscription_id=subscription)
        await world.advance(31 * MINUTE)
        second = await world.order(ann, tariff, subscription_id=subscription)
        world.vpn.down(server.id)
        await together(world.pay(first), world.pay(second))
        await world.advance(HOUR)
        assert {await world.status(order) for order in (first, second)} == {OrderStatus.PAID}
        world.vpn.up(server.id)
        await world.advance(3 * MINUTE)
        assert {await world.status(order) for order in (first, second)} == {OrderStatus.FULFILLED}
        assert len(world.remote(server)) == 1

    async def test_an_untouched_key_needs_no_call(self, world: World, tariff: Tariff, ann: User) -> None:
        calls = world.vpn.calls["issue"]
        await renew(world, ann, tariff)
        assert world.vpn.calls["issue"] == calls

    async def test_another_tariff_brings_its_limit_to_the_server(self, world: World, server: Server, ann: User) -> None:
        limited = await world.tariff(traffic_limit=10**9)
        await renew(world, ann, limited)
        key = await world.key(ann)
        assert key.observed == KeyState(present=True, limit=10**9)
        assert world.vpn.servers[server.id].keys[str(key.id)].limit == 10**9
        assert (await world.subscription(ann)).tariff_id == limited.id

    async def test_another_tariff_may_add_a_protocol(self, world: World, server: Server, ann: User) -> None:
        await world.server(protocol=Protocol.V2RAY, country="DE")
        both = await world.tariff(protocols=(Protocol.OUTLINE, Protocol.V2RAY))
        await renew(world, ann, both)
        assert len(ids(await world.keys(ann))) == 2
        assert len(world.remote(server)) == 1

    async def test_new_keys_stay_in_the_country_that_was_chosen_first(
        self, world: World, tariff: Tariff, bob: User
    ) -> None:
        german = await world.server(country="DE")
        await world.buy(bob, tariff, country="DE")
        await world.advance(40 * DAY)
        await world.server(country="NL", capacity=900)
        await renew(world, bob, tariff)
        assert len(world.remote(german)) == 1

    async def test_buying_without_a_subscription_makes_another_one(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        assert len(await world.app.subscriptions.of_user(ann.id)) == 2
        assert len(world.remote(server)) == 2

    async def test_a_renewal_in_the_grace_comes_before_the_keys_leave(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.advance(30 * DAY + HOUR)
        assert (await world.holding(ann)).standing is Standing.GRACE
        assert len(world.remote(server)) == 1
        revoked = world.vpn.calls["revoke"]
        await renew(world, ann, tariff)
        await world.advance(2 * DAY)
        assert world.vpn.calls["revoke"] == revoked

    async def test_a_renewal_while_the_key_is_being_taken_away_wins(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        """The server is called for the old wish while the new one is written."""
        subscription = (await world.subscription(ann)).id
        renewal = await world.order(ann, tariff, subscription_id=subscription)
        world.vpn.down(server.id)
        await world.advance(32 * DAY)
        world.vpn.up(server.id)
        await world.pay(renewal)
        await world.advance(5 * MINUTE)
        assert await world.status(renewal) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1
        assert (await world.holding(ann)).coming == 0

    async def test_a_wish_that_changes_during_the_call_is_carried_out_after_it(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.out.clock.advance(32 * DAY.total_seconds())
        await world.app.expiry.run(None)  # type: ignore[arg-type]
        (revoke,) = [job for job in await world.app.work.claim(9) if job.kind is JobKind.APPLY_KEY]
        work = world.app.work.run(revoke)
        subscription = (await world.subscription(ann)).id
        extend = world.app.subscriptions.extend(subscription, 30, tariff.id)
        await together(work, extend)
        assert not (await world.key(ann)).settled
        await world.advance(POLICY.lease)
        assert len(world.remote(server)) == 1
        assert (await world.key(ann)).settled


class TestSomebodyElses:
    async def test_a_subscription_that_is_not_theirs(
        self, world: World, tariff: Tariff, bob: User, order: Order
    ) -> None:
        with pytest.raises(NotFound):
            await world.order(bob, tariff, subscription_id=order.subscription_id)
