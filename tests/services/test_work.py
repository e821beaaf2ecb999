"""Durable work: tried again, put aside for a person, never lost."""

import logging
from dataclasses import replace
from uuid import UUID

import pytest
from tests.services.world import HOUR, MINUTE, POLICY, SECOND, World

from veilbot_core.domain.errors import NotFound, Rejected, Unavailable, Unknown
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import JobId, OrderId
from veilbot_core.domain.jobs import EVERYTHING, SCHEDULES, Job, JobKind
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice
from veilbot_core.services.work import Handler, Work


def with_handler(world: World, kind: JobKind, handler: Handler) -> Work:
    return replace(world.app.work, handlers={**world.app.work.handlers, kind: handler})


async def patiently(world: World, work: Work, *, rounds: int) -> None:
    for _ in range(rounds):
        for job in await work.claim(10):
            await work.run(job)
        await world.out.clock.advance(60)


class TestFailure:
    async def test_poison_dies_after_eight_attempts_with_an_alert(
        self, world: World, ann: User, caplog: pytest.LogCaptureFixture
    ) -> None:
        attempts = []

        async def poison(job: Job) -> None:
            attempts.append(job.attempts)
            raise ZeroDivisionError("a bug")

        work = with_handler(world, JobKind.RECONCILE_SERVER, poison)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        with caplog.at_level(logging.ERROR):
            await patiently(world, work, rounds=20)
        assert attempts == list(range(1, 9))
        (dead,) = await world.dead()
        assert dead.error == "ZeroDivisionError"
        assert "a bug" in caplog.text, "the log says more, and hides secrets"
        await world.settle()
        assert world.alerts() == ["job.dead"]

    @pytest.mark.parametrize("error", [Unavailable(), Unknown(), TimeoutError()], ids=repr)
    async def test_an_outage_never_kills(self, world: World, ann: User, error: Exception) -> None:
        attempts = []

        async def down(job: Job) -> None:
            attempts.append(job.attempts)
            raise error

        work = with_handler(world, JobKind.RECONCILE_SERVER, down)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        await patiently(world, work, rounds=100)
        assert len(attempts) == 100
        assert not await world.dead()

    async def test_what_asks_for_patience_gets_it(self, world: World, ann: User) -> None:
        async def busy(_: Job) -> None:
            raise Unavailable("flood", retry_after=300.0)

        work = with_handler(world, JobKind.RECONCILE_SERVER, busy)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        for job in await work.claim(1):
            await work.run(job)
        due = await world.app.work.next_due()
        assert due is not None
        assert 5 * MINUTE < due - world.out.clock.now() <= 5 * MINUTE + 5 * SECOND, "and not all at the same moment"

    async def test_but_not_for_ever(self, world: World, ann: User) -> None:
        async def busy(_: Job) -> None:
            raise Unavailable("flood", retry_after=1e9)

        work = with_handler(world, JobKind.RECONCILE_SERVER, busy)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        for job in await work.claim(1):
            await work.run(job)
        due = await world.app.work.next_due()
        assert due is not None
        assert due - world.out.clock.now() <= 10 * MINUTE + 5 * SECOND

    async def test_a_refusal_is_tried_once_more(self, world: World, ann: User) -> None:
        attempts = []

        async def refused(job: Job) -> None:
            attempts.append(job.attempts)
            raise Rejected("no")

        work = with_handler(world, JobKind.RECONCILE_SERVER, refused)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        await patiently(world, work, rounds=5)
        assert attempts == [1, 2]

    async def test_work_about_nothing_ends_with_a_person(self, world: World) -> None:
        await world.ask(JobKind.FULFIL_ORDER, world.out.ids.new())
        await world.advance(MINUTE)
        (dead,) = await world.dead()
        assert dead.error.startswith("not_found")
        assert world.alerts() == ["job.dead"]

    async def test_an_alert_that_cannot_be_told_alerts_nobody_about_it(self, world: World, ann: User) -> None:
        world.notifier.fail_next(Rejected("no such chat"), on="alert", times=99)
        await world.ask(JobKind.ALERT, ann.id, "server.down")
        await world.advance(10 * MINUTE)
        (dead,) = await world.dead()
        assert dead.kind is JobKind.ALERT
        assert world.notifier.calls["alert"] == 2

    async def test_a_dead_job_that_is_asked_for_again_lives(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        order = await world.order(ann, tariff)
        world.gateway.pay(order.id)
        world.gateway.fail_next(Rejected("who are you"), on="fetch", times=2)
        await world.advance(2 * HOUR)
        assert [job.kind for job in await world.dead()] == [JobKind.CLOSE_ORDER]
        await world.ask(JobKind.CLOSE_ORDER, order.id)
        await world.settle()
        assert not await world.dead()
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1

    async def test_an_operator_may_let_a_dead_job_try_again(self, world: World, ann: User, bob: User) -> None:
        world.notifier.fail_next(Rejected("no such chat"), on="alert", times=4)
        for user in (ann, bob):
            await world.ask(JobKind.ALERT, user.id, "server.down")
        await world.advance(MINUTE)
        first, second = await world.dead()
        assert (await world.app.work.requeue(second.id)).id == second.id
        await world.settle()
        assert [job.id for job in await world.dead()] == [first.id]
        for job_id in (second.id, JobId(UUID(int=0)), JobId(ann.id)):
            with pytest.raises(NotFound):
                await world.app.work.requeue(job_id)

    async def test_a_handler_that_hangs_is_stopped_within_its_lease(self, ann: User) -> None:
        world = World(replace(POLICY, lease=SECOND / 50))
        await world.ask(JobKind.ALERT, ann.id, "x")
        world.notifier.hang_next(on="alert")
        (job,) = await world.app.work.claim(1)
        await world.app.work.run(job)
        await world.advance(MINUTE)
        assert world.alerts() == ["x"]

    async def test_a_failure_that_cannot_be_booked_comes_back_with_the_lease(self, world: World, ann: User) -> None:
        await world.ask(JobKind.ALERT, ann.id, "x")
        world.notifier.fail_next(Unavailable(), on="alert")
        (job,) = await world.app.work.claim(1)
        world.out.storage.fail_next(Unavailable())
        await world.app.work.run(job)
        assert not await world.app.work.claim(1)
        await world.advance(POLICY.lease)
        assert world.alerts() == ["x"]


class TestSchedules:
    async def test_they_are_planted_once(self, world: World) -> None:
        await world.app.work.plant()
        await world.app.work.plant()
        assert {job.kind for job in await world.app.work.claim(10)} == SCHEDULES

    async def test_each_is_due_again_after_its_interval(self, world: World, server: Server) -> None:
        await world.app.work.plant()
        await world.advance(HOUR)
        probes = world.vpn.calls["probe"] - 1
        assert probes == HOUR / POLICY.every[JobKind.PROBE] + 1
        assert world.vpn.calls["list"] == HOUR / POLICY.every[JobKind.RECONCILE] + 1
        assert server.down_since is None

    async def test_one_that_fails_goes_on_and_the_operator_hears_of_it_once(self, world: World) -> None:
        async def broken(_: Job) -> None:
            raise ZeroDivisionError

        work = with_handler(world, JobKind.EXPIRE, broken)
        job = Job.ask(JobKind.EXPIRE, EVERYTHING, world.out.clock.now())
        await world.out.storage.write(lambda uow: uow.jobs.ensure(job))
        await patiently(world, work, rounds=30)
        assert not await world.dead()
        assert world.alerts() == ["expire.failing"]


class TestFacts:
    async def test_they_reach_the_bus_once_and_in_order(self, world: World, tariff: Tariff, ann: User) -> None:
        await world.server()
        await world.buy(ann, tariff)
        published = list(world.out.bus.published)
        assert [event.id for event in published] == sorted(event.id for event in published)
        assert await world.app.work.relay(100) == 0

    async def test_a_bus_that_is_down_loses_none(self, world: World, ann: User) -> None:
        world.out.bus.fail_next(Unavailable())
        with pytest.raises(Unavailable):
            await world.app.work.relay(100)
        assert await world.app.work.relay(100) == 1
        assert world.facts(EventType.USER_CREATED)[0].subject == ann.id


class TestNotices:
    async def test_a_chat_that_is_closed_does_not_stop_the_shop(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.notifier.unreachable(ann.id)
        order = await world.buy(ann, tariff)
        assert order.status is OrderStatus.FULFILLED
        lost = await world.app.users.get(ann.id)
        assert lost.unreachable_at == world.out.clock.now()
        assert len((await world.holding(ann)).keys) == 1
        assert len(world.remote(server)) == 1
        assert ann.telegram_id is not None
        back = await world.app.users.arrive(ann.telegram_id, "ann", "en")
        assert back.unreachable_at is None

    async def test_a_customer_without_a_chat_is_served(self, world: World, server: Server, tariff: Tariff) -> None:
        program = await world.app.users.add("a program")
        order = await world.buy(program, tariff)
        assert order.status is OrderStatus.FULFILLED
        assert world.notifier.calls["tell"] == 0
        assert len(world.remote(server)) == 1

    async def test_telegram_that_is_away_delays_the_message_only(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.notifier.fail_next(Unavailable("flood", retry_after=30.0), on="tell")
        order = await world.buy(ann, tariff)
        assert order.status is OrderStatus.FULFILLED
        await world.advance(30 * SECOND)
        assert world.notifier.notices_of(ann.id) == []
        await world.advance(5 * SECOND)
        assert world.notifier.notices_of(ann.id) == [Notice.READY]
        assert len(world.remote(server)) == 1

    async def test_what_is_not_true_any_more_is_not_told(self, world: World, server: Server, tariff: Tariff) -> None:
        user = await world.customer()
        order = await world.buy(user, tariff)
        told = len(world.notifier.told_to(user.id))
        for kind in (JobKind.TELL_PAID, JobKind.TELL_HELD):
            await world.ask(kind, order.id)
        await world.refund(order)
        await world.ask(JobKind.TELL_READY, OrderId(order.id))
        await world.settle()
        assert world.notifier.notices_of(user.id)[told:] == [Notice.REFUNDED]
        assert server.capacity == 10

    async def test_the_message_is_in_the_customers_language(self, world: World, server: Server, tariff: Tariff) -> None:
        user = await world.app.users.arrive(77, "Аня", "ru-RU")
        await world.buy(user, tariff)
        (message,) = world.notifier.told_to(user.id)
        assert message.language == "ru"
        assert len(world.remote(server)) == 1
