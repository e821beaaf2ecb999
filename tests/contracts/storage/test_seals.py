"""Sealed values, apart from the nouns that they belong to."""

import asyncio
from uuid import UUID

import pytest
from tests.contracts.storage.things import NOW, a_key, a_server, a_subscription, new_id, open_shop

from veilbot_core.domain.key import ABSENT
from veilbot_core.domain.secret import Place, Sealed
from veilbot_core.ports.storage import Storage, UnitOfWork

OLD, NEW = Sealed(b"old\x00"), Sealed(b"new\xff")


async def stored(storage: Storage, place: Place, count: int = 3) -> list[UUID]:
    """Store rows with a value in one place; by id, ascending."""
    shop = await open_shop(storage)
    servers = [a_server(endpoint=OLD) for _ in range(count)]
    subscriptions = [a_subscription(shop.user, shop.tariff, token=OLD) for _ in range(count)]
    keys = [a_key(shop.subscription, server, access_url=OLD) for server in servers]

    def work(uow: UnitOfWork) -> None:
        for server, subscription in zip(servers, subscriptions, strict=True):
            uow.servers.add(server)
            uow.subscriptions.add(subscription)
        for key in keys:
            uow.keys.add(key)
        uow.keys.add(shop.key())  # no server has answered for it yet

    await storage.write(work)
    rows: dict[Place, list[UUID]] = {
        Place.SERVER: [s.id for s in servers],
        Place.SUBSCRIPTION: [s.id for s in subscriptions],
        Place.KEY: [k.id for k in keys],
    }
    return sorted(rows[place])


async def values(storage: Storage, place: Place, rows: list[UUID]) -> list[Sealed]:
    return [sealed for _, sealed in await storage.write(lambda uow: uow.seals.lock(place, iter(rows)))]


@pytest.mark.parametrize("place", Place)
class TestSeals:
    async def test_pages_go_through_all_that_there_is(self, storage: Storage, place: Place) -> None:
        mine, seen, after = await stored(storage, place), list[UUID](), None
        while page := await storage.read(lambda uow, after=after: uow.seals.page(place, limit=2, after=after)):  # type: ignore[misc]
            assert len(page) <= 2
            seen += [row for row, _ in page]
            after = seen[-1]
        assert seen == sorted(set(seen))
        assert set(mine) <= set(seen)
        found = await storage.read(lambda uow: uow.seals.page(place, limit=100))
        assert [row for row, _ in found] == seen
        assert {sealed for row, sealed in found if row in mine} == {OLD}

    async def test_what_is_saved_changes_nothing_else(self, storage: Storage, place: Place) -> None:
        one, two, three = await stored(storage, place)
        before = await storage.read(everything)
        await storage.write(lambda uow: uow.seals.save(place, {two: NEW, new_id(): NEW}))
        assert await values(storage, place, [three, one, new_id(), two]) == [OLD, NEW, OLD]
        await storage.write(lambda uow: uow.seals.save(place, {two: OLD}))
        assert await storage.read(everything) == before

    async def test_nothing_is_nothing(self, storage: Storage, place: Place) -> None:
        await storage.write(lambda uow: uow.seals.save(place, {}))
        assert await values(storage, place, []) == []

    async def test_a_locked_value_is_the_present_one(self, storage: Storage, place: Place) -> None:
        """Two who change the same rows at once wait for each other, and no change is lost."""
        rows = await stored(storage, place)

        def longer(uow: UnitOfWork) -> None:
            found = uow.seals.lock(place, rows)
            uow.seals.save(place, {row: Sealed(sealed + b"+") for row, sealed in found})

        await asyncio.gather(*(storage.write(longer) for _ in range(8)))
        assert await values(storage, place, rows) == [Sealed(OLD + b"+" * 8)] * 3


async def test_a_key_that_is_saved_meanwhile_keeps_both_changes(storage: Storage) -> None:
    (row,) = await stored(storage, Place.KEY, 1)

    def want(uow: UnitOfWork) -> None:
        uow.keys.save(*(key.want(ABSENT, NOW) for key in uow.keys.lock_all([row])))  # type: ignore[list-item]

    await asyncio.gather(storage.write(lambda uow: uow.seals.save(Place.KEY, {row: NEW})), storage.write(want))
    key = await storage.read(lambda uow: uow.keys.get(row))  # type: ignore[arg-type]
    assert (key.access_url, key.desired) == (NEW, ABSENT)


def everything(uow: UnitOfWork) -> tuple[object, ...]:
    return uow.servers.all(), uow.subscriptions.page(limit=100), uow.keys.page(limit=100)
