"""A renewal with another tariff: the key follows the terms, and the old one stays until the new one works."""

from dataclasses import replace

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World, ids

from veilbot_core.domain.errors import NoCapacity
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.key import lasting
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice


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
