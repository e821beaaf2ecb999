"""What webhooks never told is found by asking: money, refunds, disputes, however long nobody listened."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_adapters import memory
from veilbot_core.books import Books
from veilbot_core.domain.errors import Conflict, GatewayOff, InvalidInput, Unavailable
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider, Receipt
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.payments import Told
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.settlement import Findings
from veilbot_core.services.work import Work

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
async def order(world: World, tariff: Tariff, ann: User) -> Order:
    return await world.order(ann, tariff)


@pytest.fixture
async def closed(world: World, order: Order) -> Order:
    """An order whose time is over, of which nobody asks any more."""
    await world.advance(2 * HOUR)
    assert await world.status(order) is OrderStatus.CANCELED
    return order


async def settle(world: World, since: timedelta = DAY) -> Findings:
    """Ask as the command does, and let the worker do what follows."""
    (found,) = await world.app.settlement.settle(world.out.clock.now() - since)
    await world.settle()
    return found


async def run(world: World) -> None:
    """Ask as the schedule does."""
    await world.ask(JobKind.SETTLE, EVERYTHING)
    await world.settle()


class TestADayWithoutWebhooks:
    async def test_every_paid_order_is_fulfilled_within_15_minutes(self, world: World, tariff: Tariff) -> None:
        await world.app.work.plant()
        await world.server(capacity=1000)
        waits = []
        for _ in range(24):
            order = await world.order(await world.customer(), tariff)
            world.gateway.pay(order.id)
            paid = world.out.clock.now()
            while await world.status(order) is not OrderStatus.FULFILLED:
                await world.advance(MINUTE)
            waits.append(world.out.clock.now() - paid)
            await world.advance(HOUR - waits[-1])
        assert max(waits) <= 15 * MINUTE
        assert await world.app.payments.page(limit=100)

    async def test_orders_that_were_paid_while_nothing_ran_are_fulfilled_by_the_first_run(
        self, world: World, tariff: Tariff
    ) -> None:
        await world.server(capacity=1000)
        orders = [await world.order(await world.customer(), tariff) for _ in range(30)]
        await world.advance(2 * HOUR)
        for order in orders:
            world.gateway.pay(order.id)
            await world.out.clock.advance(45 * 60)
        await run(world)
        assert {await world.status(order) for order in orders} == {OrderStatus.FULFILLED}


class TestWhatIsFound:
    async def test_money_for_an_order_that_was_closed_already(self, world: World, closed: Order) -> None:
        world.gateway.pay(closed.id)
        await world.out.clock.advance(1)
        found = await settle(world)
        assert (found.news, found.booked, found.orders) == (1, 1, (closed.id,))
        assert await world.status(closed) is OrderStatus.FULFILLED

    async def test_a_second_payment(self, world: World, order: Order) -> None:
        await world.pay(order)
        world.gateway.pay(order.id, again=True)
        assert (await settle(world)).booked == 1
        assert [p.status for p in await world.payments(order)] == ["accepted", "held"]

    async def test_a_refund_and_a_dispute_at_the_providers_page(
        self, world: World, order: Order, tariff: Tariff, bob: User
    ) -> None:
        await world.pay(order)
        other = await world.buy(bob, tariff)
        world.gateway.give_back(order.id)
        world.gateway.dispute(other.id)
        assert (await settle(world)).booked == 2
        assert await world.status(order) is OrderStatus.REFUNDED
        assert (await world.subscription(bob)).frozen_at is not None

    async def test_a_refund_that_names_no_order_finds_its_charge_whatever_the_provider_lists_first(
        self, world: World, order: Order
    ) -> None:
        world.gateway.pay(order.id)
        world.gateway.give_back(order.id)
        await settle(world)
        assert await world.status(order) is OrderStatus.REFUNDED
        assert world.alerts() == []

    async def test_what_is_known_changes_nothing_and_costs_one_look_per_page(self, world: World, order: Order) -> None:
        await world.pay(order)
        for _ in range(9):
            world.gateway.fail(order.id)
        assert (await settle(world)).booked == 0
        world.gateway.page = 3
        before = world.gateway.calls["told"]
        found = await settle(world, HOUR)
        assert (found.events, found.news, found.booked) == (10, 0, 0)
        assert world.gateway.calls["told"] - before == 4


class TestTheSchedule:
    async def test_it_goes_on_where_it_ended_however_long_ago(self, world: World, closed: Order) -> None:
        await run(world)
        world.gateway.pay(closed.id)
        await world.out.clock.advance((9 * DAY).total_seconds())
        await run(world)
        assert await world.status(closed) is OrderStatus.FULFILLED

    async def test_a_provider_that_is_down_is_asked_again_for_the_same_time(self, world: World, closed: Order) -> None:
        await run(world)
        world.gateway.pay(closed.id)
        await world.out.clock.advance((2 * DAY).total_seconds())
        world.gateway.fail_next(Unavailable(), on="told", times=3)
        await run(world)
        assert await world.status(closed) is not OrderStatus.FULFILLED
        await world.advance(5 * MINUTE)
        assert await world.status(closed) is OrderStatus.FULFILLED

    async def test_when_nothing_is_new_it_asks_once(self, world: World) -> None:
        await run(world)
        before = world.gateway.calls["told"]
        await world.out.clock.advance(600)
        await run(world)
        assert world.gateway.calls["told"] - before == 1

    async def test_what_takes_longer_than_half_a_lease_goes_on_at_once(self, world: World, order: Order) -> None:
        world.gateway.pay(order.id)
        slow = _Slow(world)
        job = Job.ask(JobKind.SETTLE, EVERYTHING, world.out.clock.now())
        await slow.settlement.run(job)
        assert 0 < slow.asked < 24
        await world.settle()
        assert await world.status(order) is OrderStatus.FULFILLED

    async def test_it_is_planted_and_due_every_ten_minutes(self, world: World) -> None:
        work: Work = world.app.work
        await work.plant()
        await world.settle()
        before = world.gateway.calls["told"]
        await world.advance(HOUR)
        assert world.gateway.calls["told"] - before == 6


class _Slow:
    """A settlement whose provider takes ten seconds for each answer."""

    def __init__(self, world: World) -> None:
        self.asked = 0
        told = world.gateway.told

        class Gateway(memory.MemoryGateway):
            async def told(_, since: datetime, until: datetime, *, after: str | None = None) -> Told:  # noqa: N805
                self.asked += 1
                await world.out.clock.advance(10)
                return await told(since, until, after=after)

        gateways = {Provider.STRIPE: Gateway(world.out.clock)}
        self.settlement = replace(world.app.settlement, gateways=gateways)


class _Refusing(Books):
    """Books that do not understand one event."""

    def enter(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        if event.event_id == "evt_odd":
            raise Conflict("a state that nobody foresaw")
        return super().enter(uow, event, now)


class TestTrouble:
    async def test_an_event_that_cannot_be_booked_keeps_no_other_waiting(
        self, world: World, order: Order, tariff: Tariff, bob: User
    ) -> None:
        other = await world.order(bob, tariff)
        odd = PaymentEvent(
            provider=Provider.STRIPE,
            event_id="evt_odd",
            happening=Happening.CHARGED,
            order_id=order.id,
            external_id="ch_odd",
            money=order.price,
            at=world.out.clock.now(),
        )
        books = _Refusing(ids=world.out.ids, policy=world.out.policy)
        world.gateway.happened["evt_odd"] = odd
        world.gateway.pay(other.id)
        settlement = replace(world.app.settlement, books=books)
        await world.out.clock.advance(1)
        (found,) = await settlement.settle(world.out.clock.now() - HOUR)
        assert (found.troubles, found.booked) == (("evt_odd",), 1)
        await settlement.run(Job.ask(JobKind.SETTLE, EVERYTHING, world.out.clock.now()))
        await world.settle()
        assert world.alerts() == ["settle.trouble"]
        assert await world.status(other) is OrderStatus.FULFILLED
        assert (await settle(world)).booked == 1, "it is booked as soon as it can be"

    @pytest.mark.parametrize("since", [31 * DAY, -MINUTE])
    async def test_a_time_that_no_provider_tells_of_is_refused(self, world: World, since: timedelta) -> None:
        with pytest.raises(InvalidInput) as refusal:
            await settle(world, since)
        assert refusal.value.field == "since"

    async def test_a_shop_without_a_provider_says_so(self, world: World, server: Server) -> None:
        nobody = replace(world.app.settlement, gateways={})
        with pytest.raises(GatewayOff):
            await nobody.settle(server.created_at - DAY)
        await nobody.run(Job.ask(JobKind.SETTLE, EVERYTHING, server.created_at))
