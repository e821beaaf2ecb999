"""A renewal with another tariff: the key follows the terms, and the old one stays until the new one works."""

from dataclasses import replace

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World, ids

from veilbot_core.domain.errors import NoCapacity
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.key import ABSENT, lasting
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice
from veilbot_core.ports.storage import UnitOfWork


@pytest.fixture
async def basic(world: World) -> Tariff:
    return await world.tariff(name="Basic", groups=("basic",))


@pytest.fixture
async def premium(world: World) -> Tariff:
    return await world.tariff(name="Premium", groups=("premium",))


@pytest.fixture
async def cheap(world: World) -> Server:
    return await world.server(group="basic", capacity=10)


@pytest.fixture
async def first(world: World, cheap: Server, basic: Tariff, ann: User) -> Order:  # noqa: ARG001
    return await world.buy(ann, basic)


async def offer(world: World, user: User, tariff: Tariff) -> Order:
    return await world.order(user, tariff, subscription_id=(await world.subscription(user)).id)


async def renew(world: World, user: User, tariff: Tariff) -> Order:
    return await world.buy(user, tariff, subscription_id=(await world.subscription(user)).id)


async def change(world: World, server: Server, **values: object) -> None:
    """Plant what no service changes yet."""
    await world.out.storage.write(
        lambda uow: uow.servers.save(replace(uow.servers.lock(server.id), **values))  # type: ignore[arg-type]
    )


async def servers_of(world: World, user: User) -> list[ServerId]:
    return [key.server_id for key in lasting(await world.keys(user))]


@pytest.mark.usefixtures("first")
class TestGroups:
    async def test_a_dearer_tariff_moves_the_key_to_its_servers(
        self, world: World, cheap: Server, premium: Tariff, ann: User
    ) -> None:
        fine = await world.server(group="premium")
        assert (await renew(world, ann, premium)).status is OrderStatus.FULFILLED
        assert (len(world.remote(cheap)), len(world.remote(fine))) == (0, 1)
        assert world.notifier.notices_of(ann.id).count(Notice.MOVED) == 1

    async def test_one_day_of_the_dearer_tariff_is_one_day_on_its_servers(
        self, world: World, cheap: Server, basic: Tariff, premium: Tariff, ann: User
    ) -> None:
        fine = await world.server(group="premium")
        await renew(world, ann, premium)
        assert await servers_of(world, ann) == [fine.id]
        assert (await renew(world, ann, basic)).status is OrderStatus.FULFILLED
        assert (len(world.remote(cheap)), len(world.remote(fine))) == (1, 0)

    async def test_it_is_not_sold_without_a_server_of_its_own(self, world: World, premium: Tariff, ann: User) -> None:
        with pytest.raises(NoCapacity):
            await offer(world, ann, premium)

    async def test_if_that_goes_before_the_money_comes_it_waits_and_the_old_key_stays(
        self, world: World, cheap: Server, premium: Tariff, ann: User
    ) -> None:
        fine = await world.server(group="premium")
        before, order = await world.holding(ann), await offer(world, ann, premium)
        await world.app.fleet.resize(fine.id, 0)
        await world.pay(order)
        await world.advance(HOUR)
        assert await world.status(order) is OrderStatus.PAID
        assert world.alerts() == ["order.waiting"]
        assert (await world.holding(ann)).keys == before.keys
        assert len(world.remote(cheap)) == 1
        await world.app.fleet.resize(fine.id, 1)
        await world.advance(MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert (len(world.remote(cheap)), len(world.remote(fine))) == (0, 1)

    async def test_the_old_key_stays_until_the_new_one_works(
        self, world: World, cheap: Server, premium: Tariff, ann: User
    ) -> None:
        fine = await world.server(group="premium")
        before = await world.holding(ann)
        world.vpn.down(fine.id)
        assert (await renew(world, ann, premium)).status is OrderStatus.PAID
        now = await world.holding(ann)
        assert (now.keys, now.coming, len(world.remote(cheap))) == (before.keys, 0, 1)
        world.vpn.up(fine.id)
        await world.advance(5 * MINUTE)
        assert (len(world.remote(cheap)), len(world.remote(fine))) == (0, 1)

    async def test_who_returns_to_the_first_tariff_before_that_keeps_the_old_key(
        self, world: World, cheap: Server, basic: Tariff, premium: Tariff, ann: User
    ) -> None:
        fine = await world.server(group="premium")
        before = await world.holding(ann)
        world.vpn.down(fine.id)
        dear = await renew(world, ann, premium)
        assert (await renew(world, ann, basic)).status is OrderStatus.FULFILLED
        world.vpn.up(fine.id)
        await world.advance(5 * MINUTE)
        assert await world.status(dear) is OrderStatus.FULFILLED
        assert (await world.holding(ann)).keys == before.keys
        assert (len(world.remote(cheap)), len(world.remote(fine))) == (1, 0)

    async def test_an_extension_by_hand_changes_no_terms(self, world: World, ann: User, premium: Tariff) -> None:
        await world.server(group="premium", capacity=900)
        keys = ids(await world.keys(ann))
        await world.app.subscriptions.extend((await world.subscription(ann)).id, 5, premium.id)
        await world.settle()
        assert ids(await world.keys(ann)) == keys

    @pytest.mark.parametrize("status", [ServerStatus.ACTIVE, ServerStatus.DRAINING])
    async def test_a_full_or_draining_server_still_serves_the_keys_it_has(
        self, world: World, cheap: Server, basic: Tariff, ann: User, status: ServerStatus
    ) -> None:
        await change(world, cheap, capacity=1, status=status)
        await world.server(group="basic", capacity=900)
        keys = ids(await world.keys(ann))
        assert (await renew(world, ann, basic)).status is OrderStatus.FULFILLED
        assert ids(await world.keys(ann)) == keys
        assert len(world.remote(cheap)) == 1

    @pytest.mark.parametrize("values", [{"access": AccessLevel.VIP}, {"group": "premium"}], ids=str)
    async def test_a_server_that_is_not_theirs_any_more_is_left_at_the_next_renewal(
        self, world: World, cheap: Server, basic: Tariff, ann: User, values: dict[str, object]
    ) -> None:
        await change(world, cheap, **values)
        with pytest.raises(NoCapacity):
            await offer(world, ann, basic)
        other = await world.server(group="basic")
        assert (await renew(world, ann, basic)).status is OrderStatus.FULFILLED
        assert (len(world.remote(cheap)), len(world.remote(other))) == (0, 1)

    async def test_who_comes_back_with_another_tariff_gets_its_servers(
        self, world: World, cheap: Server, premium: Tariff, ann: User
    ) -> None:
        await world.advance(40 * DAY)
        fine = await world.server(group="premium")
        assert (await renew(world, ann, premium)).status is OrderStatus.FULFILLED
        assert (len(world.remote(cheap)), len(world.remote(fine))) == (0, 1)
        assert await servers_of(world, ann) == [fine.id]


class TestProtocols:
    """One key per protocol of the terms, and none of any other."""

    @pytest.fixture
    async def xray(self, world: World) -> Server:
        return await world.server(protocol=Protocol.V2RAY, capacity=10)

    @pytest.fixture
    async def both(self, world: World) -> Tariff:
        return await world.tariff(name="Both", protocols=(Protocol.OUTLINE, Protocol.V2RAY))

    @pytest.fixture
    async def v2ray(self, world: World) -> Tariff:
        return await world.tariff(name="V2Ray", protocols=(Protocol.V2RAY,))

    async def test_what_is_not_bought_again_goes(
        self, world: World, server: Server, xray: Server, both: Tariff, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, both)
        assert (await renew(world, ann, tariff)).status is OrderStatus.FULFILLED
        assert (len(world.remote(server)), len(world.remote(xray))) == (1, 0)
        assert len((await world.holding(ann)).keys) == 1
        assert Notice.MOVED not in world.notifier.notices_of(ann.id)

    async def test_a_server_that_served_the_other_protocol_can_be_emptied(
        self, world: World, server: Server, xray: Server, tariff: Tariff, v2ray: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        assert (await renew(world, ann, v2ray)).status is OrderStatus.FULFILLED
        assert (len(world.remote(server)), len(world.remote(xray))) == (0, 1)
        await world.app.moving.ask(server.id)
        await world.settle()
        assert world.alerts() == []

    async def test_the_key_of_the_other_protocol_stays_until_the_new_one_works(
        self, world: World, server: Server, xray: Server, tariff: Tariff, v2ray: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        before = await world.holding(ann)
        world.out.v2ray.down(xray.id)
        order = await renew(world, ann, v2ray)
        assert order.status is OrderStatus.PAID
        assert ((await world.holding(ann)).keys, len(world.remote(server))) == (before.keys, 1)
        world.out.v2ray.up(xray.id)
        await world.advance(5 * MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert (len(world.remote(server)), len(world.remote(xray))) == (0, 1)

    async def test_one_that_works_stays_until_the_one_that_is_bought_does(
        self, world: World, server: Server, xray: Server, both: Tariff, tariff: Tariff, ann: User
    ) -> None:
        world.vpn.down(server.id)
        first = await world.buy(ann, both)
        second = await renew(world, ann, tariff)
        assert {first.status, second.status} == {OrderStatus.PAID}
        assert len(world.remote(xray)) == len((await world.holding(ann)).keys) == 1
        world.vpn.up(server.id)
        await world.advance(5 * MINUTE)
        assert {await world.status(first), await world.status(second)} == {OrderStatus.FULFILLED}
        assert (len(world.remote(server)), len(world.remote(xray))) == (1, 0)

    async def test_what_works_stays_rather_than_what_is_lost(
        self, world: World, server: Server, xray: Server, both: Tariff, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, both)
        (lost,) = [key.id for key in await world.keys(ann) if key.server_id == server.id]
        now, other = world.out.clock.now(), await world.server()
        await world.out.storage.write(lambda uow: uow.keys.save(uow.keys.lock(lost).seen(ABSENT, now)))
        world.vpn.down(server.id)
        world.vpn.down(other.id)
        await world.app.moving.ask(server.id)
        await world.settle()
        assert (await renew(world, ann, tariff)).status is OrderStatus.PAID
        assert len(world.remote(xray)) == len((await world.holding(ann)).keys) == 1
        world.vpn.up(other.id)
        await world.advance(5 * MINUTE)
        assert (len(world.remote(other)), len(world.remote(xray))) == (1, 0)

    async def test_who_buys_both_before_that_keeps_both(
        self, world: World, server: Server, xray: Server, both: Tariff, tariff: Tariff, v2ray: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        world.out.v2ray.down(xray.id)
        await renew(world, ann, v2ray)
        order = await renew(world, ann, both)
        world.out.v2ray.up(xray.id)
        await world.advance(5 * MINUTE)
        assert await world.status(order) is OrderStatus.FULFILLED
        assert (len(world.remote(server)), len(world.remote(xray))) == (1, 1)
        assert {key.settled for key in await world.keys(ann)} == {True}

    async def test_what_was_forgotten_before_goes_when_its_server_is_emptied(
        self, world: World, server: Server, xray: Server, both: Tariff, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, both)
        subscription = await world.subscription(ann)

        def forget(uow: UnitOfWork) -> None:
            locked = uow.subscriptions.lock(subscription.id)
            uow.subscriptions.save(locked.renew(tariff.id, tariff.terms))

        await world.out.storage.write(forget)
        await world.app.moving.ask(xray.id)
        await world.settle()
        assert (len(world.remote(server)), len(world.remote(xray))) == (1, 0)
        assert world.alerts() == []
