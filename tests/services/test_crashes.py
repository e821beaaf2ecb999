"""The process may die between any two steps: one key, one charge, and the customer is told."""

from collections import Counter

import pytest
from tests.services.shop import build
from tests.services.world import DAY, MINUTE, POLICY, Killed, World

from veilbot_core.domain.errors import Unavailable, Unknown
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.failpoints import Point
from veilbot_core.ports.notifier import Notice

WEBHOOK = (Point.REQUEST_READ, Point.VERIFIED, Point.WRITTEN, Point.COMMITTED)
WORKER = (
    Point.ORDER_CLAIMED,
    Point.BEFORE_CALL,
    Point.CALLED,
    Point.ANSWERED,
    Point.APPLIED,
    Point.TOLD,
    Point.RECORDED,
)
RELAY = (Point.EVENT_CLAIMED, Point.PUBLISHED)
FENCED = 4 * POLICY.lease


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.order(ann, tariff)


async def delivered(world: World, server: Server, user: User, order: Order) -> None:
    """Prove that one key is there, paid once, granted once and told about."""
    assert await world.status(order) is OrderStatus.FULFILLED
    assert world.remote(server) == {str((await world.key(user)).id)}
    assert len(await world.payments(order)) == 1
    assert len(world.gateway.charges) == 1
    subscription = await world.subscription(user)
    assert subscription.ends_at - subscription.created_at == 30 * DAY
    assert Notice.READY in world.notifier.notices_of(user.id)
    assert not await world.dead()


class TestTheProcessDies:
    def test_every_point_has_its_test(self) -> None:
        assert Counter(WEBHOOK + WORKER + RELAY) == Counter(Point)

    @pytest.mark.parametrize("point", WEBHOOK)
    async def test_while_it_answers_the_webhook(
        self, world: World, server: Server, ann: User, order: Order, point: Point
    ) -> None:
        webhook = world.gateway.pay(order.id)
        world.out.failpoints.arm(point, Killed())
        with pytest.raises(Killed):
            await world.receive(webhook)
        world.app = build(world.out)
        await world.receive(webhook)
        await world.settle()
        await delivered(world, server, ann, order)

    @pytest.mark.parametrize("times", [1, 3])
    @pytest.mark.parametrize("point", WORKER)
    async def test_while_it_works(
        self, world: World, server: Server, ann: User, order: Order, *, point: Point, times: int
    ) -> None:
        await world.pay(order)
        lived = []
        for _ in range(times):
            world.out.failpoints.arm(point, Killed())
            lived.append(await world.settle())
            world.app = build(world.out)
            await world.out.clock.advance(POLICY.lease.total_seconds())
        assert not lived[0]
        await world.advance(FENCED)
        await delivered(world, server, ann, order)

    @pytest.mark.parametrize("point", RELAY)
    async def test_while_it_hands_facts_over(
        self, world: World, server: Server, ann: User, order: Order, point: Point
    ) -> None:
        await world.pay(order)
        world.out.failpoints.arm(point, Killed())
        with pytest.raises(Killed):
            await world.settle()
        await world.settle()
        await delivered(world, server, ann, order)
        published = Counter(event.id for event in world.out.bus.published)
        assert set(published.values()) <= {1, 2}
        assert not await world.out.storage.read(lambda uow: uow.outbox.waiting(10))

    @pytest.mark.parametrize("point", WORKER)
    async def test_another_worker_does_it_when_the_lease_has_ended(
        self, world: World, server: Server, ann: User, order: Order, point: Point
    ) -> None:
        await world.pay(order)
        world.out.failpoints.arm(point, Killed())
        assert not await world.settle()
        await world.settle()
        done_at_once = await world.status(order) is OrderStatus.FULFILLED
        assert done_at_once is (point in {Point.APPLIED, Point.TOLD, Point.RECORDED})
        await world.advance(POLICY.lease)
        await delivered(world, server, ann, order)

    async def test_a_renewal_counts_once_too(
        self, world: World, server: Server, tariff: Tariff, ann: User, order: Order
    ) -> None:
        await world.pay(order)
        await world.settle()
        renewal = await world.order(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await world.pay(renewal)
        world.out.failpoints.arm(Point.ORDER_CLAIMED, Killed())
        assert not await world.settle()
        await world.advance(FENCED)
        assert await world.status(renewal) is OrderStatus.FULFILLED
        assert await world.days_left(ann) == 60 - FENCED / DAY
        assert len(world.remote(server)) == 1


class TestTheDatabaseStumbles:
    """Each commit of a purchase is lost, kept unheard, or run twice; nothing else may differ."""

    async def test_the_webhook_was_kept_but_the_answer_was_lost(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        webhook = world.gateway.pay(order.id)
        world.out.storage.commit_then_fail()
        with pytest.raises(Unknown):
            await world.receive(webhook)
        await world.receive(webhook)
        await world.settle()
        await delivered(world, server, ann, order)

    @pytest.mark.parametrize("switch", ["lose_next_commit", "commit_then_fail", "run_next_twice"])
    @pytest.mark.parametrize("nth", range(8))
    async def test_while_it_works(
        self, world: World, server: Server, ann: User, order: Order, *, switch: str, nth: int
    ) -> None:
        await world.pay(order)
        stumble = getattr(world.out.storage, switch)
        work = world.app.work
        for number in range(12):
            for job in await work.claim(1):
                if number == nth:
                    stumble()
                await work.run(job)
            await world.out.clock.advance(1)
        await world.advance(FENCED + MINUTE)
        await delivered(world, server, ann, order)

    async def test_an_outage_of_a_minute(self, world: World, server: Server, ann: User, order: Order) -> None:
        await world.pay(order)
        jobs = await world.app.work.claim(10)
        world.out.storage.go_down(60)
        for job in jobs:
            await world.app.work.run(job)
        await world.out.clock.advance(60)
        await world.advance(FENCED)
        await delivered(world, server, ann, order)

    async def test_a_read_that_fails(self, world: World, server: Server, ann: User, order: Order) -> None:
        await world.pay(order)
        for job in await world.app.work.claim(10):
            world.out.storage.fail_next(Unavailable())
            await world.app.work.run(job)
        await world.advance(MINUTE)
        await delivered(world, server, ann, order)


class TestTwoWorkers:
    async def test_a_job_is_claimed_by_one(self, world: World, order: Order) -> None:
        await world.pay(order)
        first = await world.app.work.claim(10)
        second = await world.app.work.claim(10)
        assert first
        assert not second

    async def test_a_worker_that_was_too_slow_changes_nothing(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        await world.pay(order)
        slow = await world.app.work.claim(10)
        await world.advance(POLICY.lease + MINUTE)
        await delivered(world, server, ann, order)
        commits = world.out.storage.commits
        for job in slow:
            await world.app.work.run(job)
        assert world.out.storage.commits == commits
        await delivered(world, server, ann, order)

    async def test_a_slow_worker_that_fails_gives_nothing_back(self, world: World, ann: User, order: Order) -> None:
        both = await world.tariff(protocols=(Protocol.V2RAY,))
        v2ray = await world.server(protocol=Protocol.V2RAY)
        other = await world.order(ann, both)
        await world.pay(other)
        world.out.v2ray.down(v2ray.id)
        (fulfil,) = [job for job in await world.app.work.claim(10) if job.subject == other.id]
        await world.app.work.run(fulfil)
        (slow,) = await world.app.work.claim(1)
        await world.out.clock.advance(POLICY.lease.total_seconds())
        (quick,) = [job for job in await world.app.work.claim(10) if job.id == slow.id]
        await world.app.work.run(slow)
        assert (quick.fence, slow.fence) == (2, 1)
        world.out.v2ray.up(v2ray.id)
        await world.app.work.run(quick)
        await world.settle()
        assert await world.status(other) is OrderStatus.FULFILLED
        assert await world.status(order) is OrderStatus.PENDING

    async def test_two_that_work_side_by_side_do_each_thing_once(
        self, world: World, server: Server, tariff: Tariff
    ) -> None:
        people = [await world.customer() for _ in range(6)]
        orders = [await world.order(person, tariff) for person in people]
        for order in orders:
            await world.pay(order)
        await world.settle()
        await world.settle()
        assert {await world.status(order) for order in orders} == {OrderStatus.FULFILLED}
        assert len(world.remote(server)) == 6
        assert world.vpn.calls["issue"] == 6
        assert all(len(world.notifier.told_to(person.id)) == 1 for person in people)
