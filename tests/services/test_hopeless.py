"""Work that hangs or takes its process with it, each time: somebody hears of it, and nobody else suffers."""

from contextlib import suppress
from dataclasses import replace

from tests.services.test_work import patiently, with_handler
from tests.services.world import MINUTE, SECOND, Killed, World

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User


async def down(_: Job) -> None:
    raise Unavailable


async def processes_die(world: World, deadly: JobKind, *, rounds: int) -> int:
    """Run what is due in one process after another; each dies as soon as it runs ``deadly``. Return how many died.

    What such a process has claimed beside it has begun then, and is not heard of any more.
    """
    deaths = 0

    async def die(_: Job) -> None:
        raise Killed

    living = with_handler(world, deadly, die)
    dead = replace(living, handlers=dict.fromkeys(JobKind, die))
    for _ in range(rounds):
        work = living
        for job in sorted(await work.claim(10), key=lambda job: job.kind is not deadly):
            try:
                await work.run(job)
            except Killed:
                deaths += work is living
                work = dead
        await world.out.clock.advance(31)
    return deaths


class TestHanging:
    """Nobody knows whose fault it is: a database that does not answer must not cost a paid order."""

    async def test_it_goes_on_and_the_operator_hears_of_it_once(self, world: World, ann: User) -> None:
        attempts = []

        async def hang(job: Job) -> None:
            attempts.append(job.attempts)
            raise Unavailable if len(attempts) % 5 == 0 else TimeoutError

        work = with_handler(world, JobKind.RECONCILE_SERVER, hang)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        await patiently(world, work, rounds=7)
        assert world.alerts() == []
        await patiently(world, work, rounds=50)
        assert len(attempts) >= 50
        assert not await world.dead()
        (alert,) = world.notifier.alerts
        assert (alert.code, alert.work, alert.about.reason) == ("job.stuck", "reconcile_server", "TimeoutError")

    async def test_the_operator_hears_of_it_whatever_the_eighth_attempt_met(self, world: World, ann: User) -> None:
        attempts = []

        async def hang(job: Job) -> None:
            attempts.append(job.attempts)
            raise Unavailable if len(attempts) == 8 else TimeoutError

        work = with_handler(world, JobKind.RECONCILE_SERVER, hang)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        await patiently(world, work, rounds=40)
        assert world.alerts() == ["job.stuck"]

    async def test_it_is_tried_each_minute_however_close_the_watch(self, world: World, ann: User) -> None:
        async def hang(_: Job) -> None:
            raise TimeoutError

        work = with_handler(world, JobKind.RECONCILE_SERVER, hang)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        await patiently(world, work, rounds=20)
        (job,) = await work.claim(1)
        await work.run(job)
        due = await work.next_due()
        assert due is not None
        assert due - world.out.clock.now() >= 30 * SECOND

    async def test_it_is_done_when_it_no_longer_hangs(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        async def hang(_: Job) -> None:
            raise TimeoutError

        order = await world.order(ann, tariff)
        await world.pay(order)
        await patiently(world, with_handler(world, JobKind.FULFIL_ORDER, hang), rounds=20)
        assert world.alerts() == ["job.stuck"]
        await world.advance(2 * MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1


class TestDeadly:
    async def test_it_goes_on_at_moments_of_its_own_and_the_operator_hears_of_it_once(
        self, world: World, server: Server
    ) -> None:
        await world.ask(JobKind.RECONCILE_SERVER, server.id)
        assert 24 < await processes_die(world, JobKind.RECONCILE_SERVER, rounds=300) < 200
        assert not await world.dead()
        await world.settle()
        assert world.alerts() == ["job.stuck"]

    async def test_only_runs_in_a_row_count_of_which_nothing_was_heard(self, world: World, ann: User) -> None:
        outage = with_handler(world, JobKind.RECONCILE_SERVER, down)
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        for _ in range(5):
            await patiently(world, outage, rounds=50)
            assert await processes_die(world, JobKind.RECONCILE_SERVER, rounds=10) >= 4
        assert world.alerts() == []

    async def test_a_paid_order_that_is_under_way_beside_it_is_fulfilled(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.ask(JobKind.RECONCILE_SERVER, ann.id)
        order = await world.order(ann, tariff)
        await world.pay(order)
        await processes_die(world, JobKind.RECONCILE_SERVER, rounds=400)
        assert not await world.dead()
        await world.advance(2 * MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1

    async def test_a_paid_order_outlives_processes_that_die_for_another_reason(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        order = await world.order(ann, tariff)
        await world.pay(order)
        assert await processes_die(world, JobKind.FULFIL_ORDER, rounds=400) > 30
        assert not await world.dead()
        await world.advance(10 * MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(server)) == 1

    async def test_a_schedule_goes_on_and_the_operator_hears_of_it_once(self, world: World) -> None:
        job = Job.ask(JobKind.EXPIRE, EVERYTHING, world.out.clock.now())
        await world.out.storage.write(lambda uow: uow.jobs.ensure(job))
        assert await processes_die(world, JobKind.EXPIRE, rounds=300) > 30
        assert not await world.dead()
        with suppress(Killed):
            await world.settle()
        assert world.alerts() == ["expire.failing"]
