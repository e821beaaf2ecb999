"""Moving: a server is emptied, and its customers always have a key that works."""

from dataclasses import replace

import pytest
from tests.services.world import HOUR, MINUTE, World

from veilbot_adapters.memory import MemoryClock
from veilbot_core.domain.errors import NotFound, Unavailable
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.key import Key, lasting
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Message, Notice


class Tired(MemoryClock):
    """Five seconds go by between two looks at it."""

    def monotonic(self) -> float:
        """Let time pass."""
        self._monotonic = getattr(self, "_monotonic", 0.0) + 5
        return self._monotonic


@pytest.fixture
async def order(world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.buy(ann, tariff)


async def lasting_key(world: World, user: User) -> Key:
    (key,) = lasting(await world.keys(user))
    return key


async def move(world: World, server: Server) -> None:
    await world.app.moving.ask(server.id)
    await world.settle()


async def renew(world: World, user: User, tariff: Tariff) -> Order:
    return await world.buy(user, tariff, subscription_id=(await world.subscription(user)).id)


async def turn(world: World, server: Server, status: ServerStatus) -> None:
    await world.app.fleet.turn(server.id, status)
    await world.settle()


async def reserved(world: World, server: Server) -> int:
    return (await world.app.fleet.get(server.id)).reserved


def told(world: World, user: User) -> list[Message]:
    return [message for message in world.notifier.told_to(user.id) if message.notice is Notice.MOVED]


@pytest.mark.usefixtures("order")
class TestMoving:
    async def test_every_key_gets_a_replacement_and_goes_then(self, world: World, server: Server, ann: User) -> None:
        before, other = await world.holding(ann), await world.server(capacity=10)
        moved = await world.app.moving.ask(server.id)
        assert moved.status is ServerStatus.DRAINING
        await world.settle()
        now = await world.holding(ann)
        assert (world.remote(server), len(world.remote(other))) == (set(), 1)
        assert now.link == before.link
        assert now.keys != before.keys
        assert now.coming == 0
        assert (await reserved(world, server), await reserved(world, other)) == (0, 1)
        assert {key.settled for key in await world.keys(ann)} == {True}

    async def test_the_customer_is_told_once_with_the_new_key_and_the_link(
        self, world: World, server: Server, ann: User
    ) -> None:
        await world.server()
        await move(world, server)
        await move(world, server)
        await world.advance(HOUR)
        (message,) = told(world, ann)
        holding = await world.holding(ann)
        assert (message.keys, message.link) == (holding.keys, holding.link)
        (fact,) = world.facts(EventType.KEY_MOVED)
        assert fact.data["from_server_id"] == str(server.id)

    async def test_the_old_key_stays_until_the_new_one_works(self, world: World, server: Server, ann: User) -> None:
        before, other = await world.holding(ann), await world.server()
        world.vpn.down(other.id)
        await move(world, server)
        await world.advance(HOUR)
        now = await world.holding(ann)
        assert (now.keys, now.coming) == (before.keys, 0)
        assert len(world.remote(server)) == 1
        assert told(world, ann) == []
        world.vpn.up(other.id)
        await world.advance(2 * MINUTE)
        assert (len(world.remote(server)), len(world.remote(other))) == (0, 1)
        assert len(told(world, ann)) == 1

    async def test_a_server_that_is_dead_is_left_and_tidied_up_when_it_is_back(
        self, world: World, server: Server, ann: User
    ) -> None:
        other = await world.server()
        world.vpn.down(server.id)
        await turn(world, server, ServerStatus.DISABLED)
        await move(world, server)
        assert (await world.app.fleet.get(server.id)).status is ServerStatus.DISABLED
        assert len(world.remote(other)) == len(told(world, ann)) == 1
        assert (await lasting_key(world, ann)).server_id == other.id
        assert await reserved(world, server) == 1
        world.vpn.up(server.id)
        await turn(world, server, ServerStatus.DRAINING)
        await world.advance(2 * MINUTE)
        assert world.remote(server) == set()
        assert await reserved(world, server) == 0

    async def test_without_room_the_key_stays_and_the_operator_hears_of_it_once(
        self, world: World, server: Server, tariff: Tariff, ann: User, bob: User
    ) -> None:
        await world.buy(bob, tariff)
        before = await world.holding(ann)
        await move(world, server)
        await world.advance(HOUR)
        assert (await world.holding(ann)).keys == before.keys
        assert world.alerts() == ["keys.stay"]
        assert not await world.dead()
        other = await world.server()
        await move(world, server)
        assert (len(world.remote(server)), len(world.remote(other))) == (0, 2)
        assert world.alerts() == ["keys.stay"]

    async def test_it_goes_only_where_the_customer_may_have_a_key(
        self, world: World, server: Server, tariff: Tariff, bob: User
    ) -> None:
        await world.buy(bob, tariff, country="NL")
        elsewhere = await world.server(country="DE")
        await move(world, server)
        assert len(world.remote(elsewhere)) == 1  # hers, who asked for no country
        assert (await lasting_key(world, bob)).server_id == server.id
        assert world.alerts() == ["keys.stay"]

    async def test_a_server_that_is_enabled_again_keeps_what_it_has(
        self, world: World, server: Server, ann: User
    ) -> None:
        await world.server()
        await world.app.moving.ask(server.id)
        await world.app.fleet.turn(server.id, ServerStatus.ACTIVE)
        await world.settle()
        assert len(world.remote(server)) == 1
        assert told(world, ann) == []

    async def test_what_ends_meanwhile_ends_on_both(self, world: World, server: Server, order: Order) -> None:
        other = await world.server()
        world.vpn.down(other.id)
        await move(world, server)
        await world.refund(order)
        world.vpn.up(other.id)
        await world.advance(2 * MINUTE)
        assert world.remote(server) | world.remote(other) == set()
        assert await reserved(world, server) + await reserved(world, other) == 0

    async def test_a_renewal_meanwhile_is_of_the_new_key(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        other = await world.server()
        world.vpn.down(other.id)
        await move(world, server)
        renewal = await renew(world, ann, tariff)
        assert renewal.status is OrderStatus.PAID
        world.vpn.up(other.id)
        await world.advance(2 * MINUTE)
        assert await world.status(renewal) is OrderStatus.FULFILLED
        assert (len(world.remote(server)), len(world.remote(other))) == (0, 1)

    async def test_one_that_moves_on_before_it_arrives_is_told_once(
        self, world: World, server: Server, ann: User
    ) -> None:
        second = await world.server()
        world.vpn.down(second.id)
        await move(world, server)
        third = await world.server()
        await move(world, second)
        assert len(world.remote(third)) == len(told(world, ann)) == 1
        assert world.remote(server) == set()
        world.vpn.up(second.id)
        await world.advance(2 * MINUTE)
        assert world.remote(second) == set()
        assert await reserved(world, second) == 0

    async def test_one_that_is_frozen_before_it_is_told_of_is_told_of_all_the_same(
        self, world: World, server: Server, ann: User, order: Order
    ) -> None:
        other = await world.server()
        world.notifier.fail_next(Unavailable(), on="tell")
        await world.app.moving.ask(server.id)
        await world.settle()
        assert told(world, ann) == []
        await world.receive(world.gateway.dispute(order.id))
        await world.settle()
        await world.out.clock.advance(2)
        await world.settle()
        await world.receive(world.gateway.dispute(order.id, won=True))
        await world.settle()
        assert len(world.remote(other)) == 1
        assert len(told(world, ann)) == 1

    async def test_one_that_comes_back_before_it_left_stays_as_it_was(
        self, world: World, server: Server, ann: User
    ) -> None:
        before, second = await world.holding(ann), await world.server()
        world.vpn.down(second.id)
        await move(world, server)
        await turn(world, server, ServerStatus.ACTIVE)
        await move(world, second)
        world.vpn.up(second.id)
        await world.advance(2 * MINUTE)
        assert (await world.holding(ann)).keys == before.keys
        assert world.remote(second) == set()
        assert told(world, ann) == []

    async def test_it_goes_there_and_back(self, world: World, server: Server, ann: User) -> None:
        before, second = await world.holding(ann), await world.server()
        await move(world, server)
        await turn(world, server, ServerStatus.ACTIVE)
        await move(world, second)
        assert (await world.holding(ann)).keys == before.keys
        assert world.remote(second) == set()
        assert len(told(world, ann)) == 2

    async def test_the_next_process_goes_on_where_time_was_over(
        self, world: World, server: Server, tariff: Tariff
    ) -> None:
        for _ in range(6):
            await world.buy(await world.customer(), tariff)
        other = await world.server(capacity=5)
        moving = replace(world.app.moving, clock=Tired())
        await world.app.moving.ask(server.id)
        runs = 0
        while jobs := [job for job in await world.app.work.claim(100) if job.kind is JobKind.MOVE_KEYS]:
            for job in jobs:
                await moving.run(job)
            runs += 1
        await world.advance(MINUTE)
        assert runs > 2
        assert (len(world.remote(server)), len(world.remote(other))) == (2, 5)
        assert world.alerts() == ["keys.stay"]

    async def test_a_server_that_nobody_knows(self, world: World, ann: User) -> None:
        with pytest.raises(NotFound):
            await world.app.moving.ask(ServerId(ann.id))


class TestOtherThings:
    async def test_only_the_keys_of_that_server_move(self, world: World, server: Server, ann: User) -> None:
        both = await world.tariff(protocols=(Protocol.OUTLINE, Protocol.V2RAY))
        endpoint = {"api": "127.0.0.1:1", "address": "vpn.example", "port": "443", "inbound": "in"}
        v2ray = await world.server(protocol=Protocol.V2RAY, endpoint=endpoint)
        await world.buy(ann, both)
        other = await world.server()
        (kept,) = [key for key in await world.keys(ann) if key.server_id == v2ray.id]
        await move(world, server)
        assert {key.server_id for key in lasting(await world.keys(ann))} == {other.id, v2ray.id}
        assert kept in await world.keys(ann)
        assert len((await world.holding(ann)).keys) == 2
        (message,) = told(world, ann)
        assert len(message.keys) == 1

    async def test_a_key_that_never_came_is_made_elsewhere_and_is_no_news(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.vpn.down(server.id)
        order = await world.buy(ann, tariff)
        other = await world.server()
        await move(world, server)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert len(world.remote(other)) == 1
        world.vpn.up(server.id)
        await world.advance(2 * MINUTE)
        assert world.remote(server) == set()
        assert world.notifier.notices_of(ann.id)[-1] is Notice.READY
        assert told(world, ann) == []
