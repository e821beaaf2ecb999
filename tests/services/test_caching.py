"""What is read through the cache: shown a moment old at most, and never what decides."""

import json
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.services.shop import build
from tests.services.world import World

from veilbot_adapters import memory
from veilbot_core.cached import SERVERS, TARIFFS, account, customer
from veilbot_core.domain.errors import NoCapacity, NotFound, TariffUnavailable, Unknown, UserBlocked
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.cache import Cache
from veilbot_core.ports.storage import UnitOfWork


class Stubborn(memory.MemoryCache):
    """A cache that forgets nothing, as one does that never heard of the change."""

    async def drop(self, name: str) -> None:
        """Keep it."""


def changed(world: World, **outside: Any) -> World:
    """Put the shop together anew on other adapters."""
    world.out = replace(world.out, **outside)
    world.app = build(world.out)
    return world


@pytest.fixture
def stale(world: World) -> World:
    return changed(world, cache=Stubborn(world.out.clock))


class TestWhatDecides:
    async def test_a_stale_cache_sells_no_archived_tariff(self, stale: World, ann: User) -> None:
        await stale.server()
        tariff = await stale.tariff()
        assert await stale.app.catalog.on_sale("USD") == [tariff]
        await stale.app.catalog.archive(tariff.id)
        assert await stale.app.catalog.on_sale("USD") == [tariff], "the cache is stale"
        with pytest.raises(TariffUnavailable):
            await stale.order(ann, tariff)

    async def test_a_stale_cache_lets_no_blocked_customer_buy(self, stale: World, ann: User) -> None:
        await stale.server()
        tariff = await stale.tariff()
        assert ann.telegram_id is not None
        await stale.app.users.arrive(ann.telegram_id, ann.name, None)
        await stale.app.users.block(ann.id)
        assert await stale.app.users.arrive(ann.telegram_id, ann.name, None) == ann, "the cache is stale"
        with pytest.raises(UserBlocked):
            await stale.order(ann, tariff)
        with pytest.raises(UserBlocked):
            await stale.app.subscriptions.give(ann.id, tariff.id, days=1, country=None, request=ann.id)

    async def test_the_price_is_that_of_the_database(self, stale: World, ann: User) -> None:
        await stale.server()
        tariff = await stale.tariff(prices={"USD": 100})
        await stale.app.catalog.on_sale("USD")
        await stale.out.storage.write(lambda uow: uow.tariffs.save(replace(tariff, prices={"USD": 200})))
        assert (await stale.app.catalog.get(tariff.id)).prices == {"USD": 100}, "the cache is stale"
        assert (await stale.order(ann, tariff)).price.amount == 200

    async def test_a_place_that_is_only_remembered_is_not_sold(self, stale: World, ann: User, bob: User) -> None:
        await stale.server(capacity=1)
        tariff = await stale.tariff()
        assert await stale.app.catalog.countries(tariff.terms, vip=False) == ["NL"]
        await stale.buy(ann, tariff)
        assert await stale.app.catalog.countries(tariff.terms, vip=False) == ["NL"], "the cache is stale"
        with pytest.raises(NoCapacity):
            await stale.order(bob, tariff)


class TestFreshness:
    async def test_what_this_process_changes_it_shows_at_once(self, world: World, ann: User) -> None:
        assert ann.telegram_id is not None
        catalog, users = world.app.catalog, world.app.users
        assert await catalog.on_sale("USD") == []
        tariff = await world.tariff()
        assert await catalog.countries(tariff.terms, vip=False) == []
        server = await world.server()
        assert await catalog.on_sale("USD") == [tariff]
        assert await catalog.countries(tariff.terms, vip=False) == ["NL"]
        await world.app.fleet.turn(server.id, ServerStatus.DRAINING)
        assert await catalog.countries(tariff.terms, vip=False) == []
        await catalog.archive(tariff.id)
        assert await catalog.on_sale("USD") == []
        spoken = await users.speak(ann.id, Language.RU)
        assert await users.arrive(ann.telegram_id, "", None) == spoken
        blocked = await users.block(ann.id)
        assert await users.arrive(ann.telegram_id, "", None) == await users.get(ann.id) == blocked

    async def test_what_another_process_changes_it_shows_when_the_time_is_over(self, world: World, ann: User) -> None:
        tariff = await world.tariff()
        await world.app.catalog.on_sale("USD")
        await world.app.users.get(ann.id)
        other = build(replace(world.out, cache=memory.MemoryCache(world.out.clock)))
        await other.catalog.archive(tariff.id)
        blocked = await other.users.block(ann.id)
        assert await world.app.catalog.on_sale("USD") == [tariff]
        await world.out.clock.advance(world.out.policy.goods_ttl.total_seconds())
        assert await world.app.catalog.on_sale("USD") == []
        await world.out.clock.advance(world.out.policy.users_ttl.total_seconds())
        assert await world.app.users.get(ann.id) == blocked

    async def test_it_is_dropped_also_when_nobody_knows_whether_it_was_written(self, world: World) -> None:
        ann, tariff = await world.customer(7), await world.tariff()
        await world.app.users.arrive(7, "Ann", "en")
        await world.app.catalog.on_sale("USD")
        world.out.storage.commit_then_fail()
        with pytest.raises(Unknown):
            await world.app.users.block(ann.id)
        world.out.storage.commit_then_fail()
        with pytest.raises(Unknown):
            await world.app.catalog.archive(tariff.id)
        assert (await world.app.users.arrive(7, "Ann", "en")).blocked_at is not None
        assert await world.app.catalog.on_sale("USD") == []

    @pytest.mark.usefixtures("server")
    async def test_who_cannot_be_reached_and_comes_back_is_known_to_be_back(
        self, world: World, tariff: Tariff, ann: User
    ) -> None:
        assert ann.telegram_id is not None
        await world.app.users.arrive(ann.telegram_id, "", None)
        world.notifier.unreachable(ann.id)
        await world.buy(ann, tariff)
        assert (await world.app.users.get(ann.id)).unreachable_at is not None
        assert (await world.app.users.arrive(ann.telegram_id, "", None)).unreachable_at is None

    async def test_an_account_whose_customer_a_restored_backup_lost_is_welcomed_again(self, world: World) -> None:
        lost = await world.customer(7)
        await world.app.users.arrive(7, "Ann", "en")
        changed(world, storage=memory.MemoryStorage(world.out.doorbell, world.out.clock))
        await world.out.cache.drop(customer(lost.id))
        new = await world.app.users.arrive(7, "Ann", "en")
        assert new.id != lost.id
        assert await world.app.users.arrive(7, "Ann", "en") == new


def full(world: World) -> tuple[User, Tariff, Server]:
    """Return one of each, with no field as it is by default."""
    ids, now = world.out.ids, world.out.clock.now() + timedelta(microseconds=1)
    terms = Terms(
        name="Jahr «★»",
        days=365,
        traffic_limit=2**53,
        device_limit=3,
        protocols=(Protocol.V2RAY, Protocol.OUTLINE),
        groups=("a", "b"),
    )
    user: Any = {"id": ids.new(), "telegram_id": 2**40, "name": "Анна", "language": Language.RU, "vip": True}
    moments = {"blocked_at": now, "unreachable_at": now, "created_at": now}
    tariff: Any = {"id": ids.new(), "terms": terms, "prices": {"USD": 1, "RUB": 2}, "trial": True, "archived_at": now}
    server: Any = {"id": ids.new(), "name": "one", "protocol": Protocol.V2RAY, "country": "DE", "capacity": 7}
    more = {"reserved": 3, "weight": 9, "access": AccessLevel.VIP, "group": "g", "status": ServerStatus.DRAINING}
    sealed = {"endpoint": Sealed(b"\x00\xff"), "down_since": now, "created_at": now}
    return User(**user | moments), Tariff(**tariff, created_at=now), Server(**server | more | sealed)


class TestKeeping:
    async def test_every_field_comes_back(self) -> None:
        world = World()
        user, tariff, server = full(world)
        for thing in (user, tariff, tariff.terms, server):
            for field in fields(thing):
                assert getattr(thing, field.name) != field.default, f"{field.name} proves nothing"

        def work(uow: UnitOfWork) -> None:
            uow.users.add(user)
            uow.tariffs.add(tariff)
            uow.servers.add(server)

        await world.out.storage.write(work)
        cached = world.app.users.cached
        for _ in ("cold", "warm"):
            assert await cached.user(user.id) == await cached.user_of(2**40) == user
            assert list(await cached.tariffs()) == [tariff]
            assert list(await cached.servers()) == [server]
        moment = (await cached.user(user.id)).created_at
        assert isinstance(moment, datetime)
        assert moment.tzinfo is not None

    async def test_what_opens_a_server_is_kept_sealed(self, world: World, server: Server) -> None:
        await world.app.users.cached.servers()
        kept = await world.out.cache.get(SERVERS)
        assert kept is not None
        assert b"secret-path" not in kept
        assert json.loads(kept)[0]["endpoint"] == server.endpoint.hex()

    async def test_who_is_not_there_is_not_kept(self, world: World) -> None:
        cached = world.app.users.cached
        with pytest.raises(NotFound):
            await cached.user_of(7)
        ann = await world.app.users.add("Ann", telegram_id=7)
        assert await cached.user_of(7) == ann

    @pytest.mark.parametrize(
        "rubbish",
        [b"", b"null", b"1", b"[1]", b'"x"', b"[{}]", b'{"id": 1}', b'[{"id": "x"}]', b"\xff", b"{" * 9],
    )
    async def test_what_another_version_wrote_is_read_anew(self, rubbish: bytes) -> None:
        world = World()
        user, tariff, server = full(world)

        def work(uow: UnitOfWork) -> None:
            uow.users.add(user)
            uow.tariffs.add(tariff)
            uow.servers.add(server)

        await world.out.storage.write(work)
        cached, names = world.app.users.cached, (TARIFFS, SERVERS, customer(user.id), account(2**40), "status")
        for name in names:
            await world.out.cache.set(name, rubbish, 60)
        assert await cached.user(user.id) == await cached.user_of(2**40) == user
        assert list(await cached.tariffs()) == [tariff]
        assert list(await cached.servers()) == [server]
        assert [one.server_id for one in await world.app.fleet.status()] == [server.id]
        assert rubbish not in [await world.out.cache.get(name) for name in names]

    async def test_names_of_different_things_differ(self, world: World, ann: User) -> None:
        assert len({TARIFFS, SERVERS, customer(ann.id), account(7)}) == 4
        assert isinstance(world.out.cache, Cache)
