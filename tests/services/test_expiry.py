"""What time asks of subscriptions: reminders once each, grace, then the keys leave."""

import pytest
from tests.services.world import DAY, HOUR, MINUTE, POLICY, World

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.events import EventType
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.order import Order
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.buy(ann, tariff)


def reminders(world: World, user: User) -> list[str]:
    """Return the reminders that a customer got, in order."""
    about = {Notice.EXPIRING, Notice.ENDED}
    return [message.reminder for message in world.notifier.told_to(user.id) if message.notice in about]


async def run(world: World) -> None:
    await world.app.expiry.run(Job.ask(JobKind.EXPIRE, EVERYTHING, world.out.clock.now()))


@pytest.mark.usefixtures("order")
class TestReminders:
    async def test_each_comes_once_at_its_time(self, world: World, ann: User) -> None:
        stages = []
        for step in (26 * DAY, 2 * DAY, DAY, 23 * HOUR, HOUR, 3 * DAY):
            await world.advance(step)
            stages.append(reminders(world, ann))
        assert stages == [
            [],
            ["3d"],
            ["3d", "1d"],
            ["3d", "1d", "1h"],
            ["3d", "1d", "1h", "ended"],
            ["3d", "1d", "1h", "ended"],
        ]
        assert world.notifier.notices_of(ann.id)[1:] == [Notice.EXPIRING] * 3 + [Notice.ENDED]

    async def test_running_again_repeats_none(self, world: World, ann: User) -> None:
        await world.advance(28 * DAY)
        for _ in range(5):
            await run(world)
            await world.settle()
        assert reminders(world, ann) == ["3d"]

    async def test_there_is_a_button_for_the_subscription(self, world: World, ann: User) -> None:
        await world.advance(28 * DAY)
        message = world.notifier.told_to(ann.id)[-1]
        subscription = await world.subscription(ann)
        assert (message.subscription_id, message.ends_at) == (subscription.id, subscription.ends_at)

    async def test_none_comes_after_a_renewal_until_the_new_end(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.advance(28 * DAY)
        await world.buy(ann, tariff, subscription_id=(await world.subscription(ann)).id)
        await world.advance(20 * DAY)
        assert reminders(world, ann) == ["3d"]
        await world.advance(11 * DAY)
        assert reminders(world, ann) == ["3d", "3d", "1d"]

    async def test_one_that_was_asked_before_the_renewal_is_not_told_after_it(
        self, world: World, tariff: Tariff, ann: User
    ) -> None:
        subscription = (await world.subscription(ann)).id
        world.notifier.fail_next(Unavailable(), on="tell", times=3)
        await world.advance(27 * DAY)
        await world.app.subscriptions.extend(subscription, 30, tariff.id)
        await world.advance(HOUR)
        assert reminders(world, ann) == []

    async def test_one_that_comes_too_late_is_not_told(self, world: World, ann: User) -> None:
        """Telegram is away for two and a half days: nobody hears of three days that are not left."""
        world.notifier.fail_next(Unavailable(), on="tell")
        await world.advance(27 * DAY)
        await world.out.clock.advance((2 * DAY + 12 * HOUR).total_seconds())
        await world.advance(10 * MINUTE)
        assert reminders(world, ann) == ["1d"]

    async def test_a_worker_that_was_away_tells_only_the_latest(self, world: World, ann: User) -> None:
        await world.out.clock.advance((30 * DAY - 10 * MINUTE).total_seconds())
        await world.tick()
        assert reminders(world, ann) == ["1h"]

    async def test_a_worker_that_was_away_for_days_tells_none(self, world: World, ann: User) -> None:
        await world.out.clock.advance((40 * DAY).total_seconds())
        await world.tick()
        assert reminders(world, ann) == []

    async def test_a_short_tariff_is_not_reminded_before_it_began(self, world: World, bob: User) -> None:
        await world.buy(bob, await world.tariff(days=1))
        await world.advance(HOUR)
        assert reminders(world, bob) == []
        await world.advance(DAY)
        assert reminders(world, bob) == ["1h", "ended"]


@pytest.mark.usefixtures("order")
class TestTheEnd:
    async def test_keys_work_through_the_grace_and_leave_after_it(
        self, world: World, server: Server, ann: User
    ) -> None:
        await world.advance(30 * DAY + POLICY.grace - MINUTE)
        assert len(world.remote(server)) == 1
        assert (await world.holding(ann)).standing is Standing.GRACE
        await world.advance(MINUTE)
        assert not world.remote(server)
        holding = await world.holding(ann)
        assert (holding.standing, holding.keys, holding.coming) == (Standing.EXPIRED, (), 0)
        assert (await world.app.fleet.get(server.id)).reserved == 0

    async def test_it_is_a_fact_once(self, world: World) -> None:
        await world.advance(60 * DAY)
        events = await world.events()
        assert events[EventType.SUBSCRIPTION_EXPIRED] == events[EventType.KEY_EXPIRED] == 1
        assert events[EventType.KEY_REVOKED] == 1

    async def test_nothing_is_forgotten(self, world: World, ann: User) -> None:
        await world.advance(400 * DAY)
        assert (await world.holding(ann)).link.startswith("http://127.0.0.1:8080/s/")
        assert len(await world.keys(ann)) == 1

    async def test_a_server_that_is_down_gives_the_key_up_later(self, world: World, server: Server, ann: User) -> None:
        await world.advance(31 * DAY - MINUTE)
        world.vpn.down(server.id)
        await world.advance(HOUR)
        assert len(world.remote(server)) == 1
        assert (await world.key(ann)).placed
        world.vpn.up(server.id)
        await world.advance(2 * MINUTE)
        assert not world.remote(server)

    async def test_a_vip_never_ends(self, world: World, server: Server, tariff: Tariff, bob: User) -> None:
        await world.vip(bob)
        await world.buy(bob, await world.tariff(traffic_limit=5))
        await world.advance(99 * DAY)
        assert (await world.holding(bob)).standing is Standing.ACTIVE
        assert (await world.key(bob)).desired.limit is None
        assert reminders(world, bob) == []
        assert world.remote(server) == {str((await world.key(bob)).id)}
        assert tariff.for_sale


class TestMany:
    async def test_ten_thousand_at_one_minute_end_in_batches(self, world: World, ann: User) -> None:
        tariff = await world.tariff(days=1)
        server = await world.server(capacity=10_000)
        for number in range(601):
            request = world.out.ids.new()
            await world.app.subscriptions.give(ann.id, tariff.id, days=1, country=None, request=request)
            assert number < 2000
        await world.settle()
        await world.out.clock.advance((3 * DAY).total_seconds())
        commits = world.out.storage.commits
        await run(world)
        assert world.out.storage.commits - commits == 2
        await world.settle()
        assert not world.remote(server)

    async def test_a_pass_ends_before_its_lease(self, world: World, ann: User) -> None:
        tariff = await world.tariff(days=1)
        await world.server(capacity=10_000)
        for _ in range(501):
            request = world.out.ids.new()
            await world.app.subscriptions.give(ann.id, tariff.id, days=1, country=None, request=request)
        await world.settle()
        await world.out.clock.advance((3 * DAY).total_seconds())
        commits = world.out.storage.commits
        clock = world.out.clock
        slow = World(POLICY).app.expiry
        spent = iter([0.0, 1000.0, 2000.0])

        class Racing(type(clock)):  # type: ignore[misc]
            def monotonic(self) -> float:
                return next(spent)

        racing = Racing(clock.now())
        expiry = type(slow)(storage=world.out.storage, clock=racing, ids=world.out.ids, policy=POLICY)
        await expiry.run(Job.ask(JobKind.EXPIRE, EVERYTHING, clock.now()))
        assert world.out.storage.commits - commits == 1
