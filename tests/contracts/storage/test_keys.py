"""Credentials on servers."""

from dataclasses import replace
from typing import Any

import pytest
from tests.contracts.storage.things import (
    HOUR,
    NOW,
    SECOND,
    a_key,
    a_server,
    a_subscription,
    a_tariff,
    a_user,
    new_id,
    open_shop,
)

from veilbot_core.domain.errors import AlreadyExists, NotFound
from veilbot_core.domain.ids import KeyId, OrderId
from veilbot_core.domain.key import ABSENT, Key, KeyState
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.server import Server
from veilbot_core.ports.storage import Storage


async def stored(storage: Storage, count: int) -> list[Key]:
    """Store keys of one subscription, each on a server of its own; by id, ascending."""
    shop = await open_shop(storage)
    servers = [a_server() for _ in range(count)]
    keys = sorted((a_key(shop.subscription, server) for server in servers), key=lambda key: key.id)
    await storage.write(lambda uow: [uow.servers.add(server) for server in servers])
    await storage.write(lambda uow: [uow.keys.add(key) for key in keys])
    return keys


class TestKeys:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        key = (await open_shop(storage)).key(
            name="Амстердам",
            desired=KeyState(present=True, limit=2**53),
            observed=KeyState(present=True, limit=0),
            placed=True,
            access_url=Sealed(bytes(range(256))),
            order_id=OrderId(new_id()),
            used=2**62,
            counter=2**61,
            note="нет",
            changed_at=NOW + SECOND,
        )
        await storage.write(lambda uow: uow.keys.add(key))
        assert await storage.read(lambda uow: uow.keys.get(key.id)) == key
        assert await storage.write(lambda uow: uow.keys.lock(key.id)) == key
        assert await storage.write(lambda uow: uow.keys.find(key.id)) == key

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        unknown = KeyId(new_id())
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.keys.get(unknown))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.keys.lock(unknown))
        assert await storage.write(lambda uow: uow.keys.find(unknown)) is None

    async def test_an_id_is_used_once(self, storage: Storage) -> None:
        key = (await open_shop(storage)).key()
        await storage.write(lambda uow: uow.keys.add(key))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.keys.add(key))

    async def test_saved_changes_come_back(self, storage: Storage) -> None:
        one, two = await stored(storage, 2)
        changed = (
            one.seen(KeyState(present=True), NOW + HOUR, Sealed(b"ss://")).place(held=True),
            two.want(ABSENT, NOW + HOUR).await_for(OrderId(new_id())).refused("полон", NOW + HOUR),
        )
        await storage.write(lambda uow: uow.keys.save(*changed))
        assert await storage.read(lambda uow: uow.keys.get(one.id)) == changed[0]
        assert await storage.read(lambda uow: uow.keys.get(two.id)) == changed[1]

    async def test_saving_none_does_nothing(self, storage: Storage) -> None:
        await storage.write(lambda uow: uow.keys.save())
        await storage.write(lambda uow: uow.keys.save_usage([]))
        assert list(await storage.read(lambda uow: uow.keys.of_subscriptions([]))) == []

    async def test_one_unknown_among_several_fails_all(self, storage: Storage) -> None:
        (key,) = await stored(storage, 1)
        stranger = a_key(a_subscription(a_user(), a_tariff()), a_server())
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.keys.save(replace(key, note="x"), stranger))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.keys.save(stranger))
        assert await storage.read(lambda uow: uow.keys.get(key.id)) == key

    async def test_usage_is_written_alone(self, storage: Storage) -> None:
        keys = await stored(storage, 3)
        await storage.write(lambda uow: uow.keys.save(*(replace(key, note="kept") for key in keys)))
        metered = [replace(key, used=2**60 + n, counter=n, note="dropped") for n, key in enumerate(keys[:2])]
        await storage.write(lambda uow: uow.keys.save_usage(zip(keys, metered, strict=False)))
        found = [await storage.read(lambda uow, key=key: uow.keys.get(key.id)) for key in keys]  # type: ignore[misc]
        assert found == [replace(key, note="kept") for key in (*metered, keys[2])]

    async def test_an_older_reading_changes_nothing(self, storage: Storage) -> None:
        keys = await stored(storage, 2)
        read = [(key, replace(key, used=10, counter=10)) for key in keys]
        newer = replace(keys[0], used=30, counter=30)
        await storage.write(lambda uow: uow.keys.save_usage([(keys[0], newer)]))
        await storage.write(lambda uow: uow.keys.save_usage(read))
        found = [await storage.read(lambda uow, key=key: uow.keys.get(key.id)) for key in keys]  # type: ignore[misc]
        assert [key.used for key in found] == [30, 10]

    async def test_whoever_saves_a_key_leaves_its_usage_alone(self, storage: Storage) -> None:
        (key,) = await stored(storage, 1)
        await storage.write(lambda uow: uow.keys.save_usage([(key, replace(key, used=30, counter=20))]))
        await storage.write(lambda uow: uow.keys.save(replace(key, note="x")))
        assert await storage.read(lambda uow: uow.keys.get(key.id)) == replace(key, note="x", used=30, counter=20)


class TestFindingKeys:
    async def test_those_of_some_ids_that_exist_ascending_by_key(self, storage: Storage) -> None:
        keys = await stored(storage, 4)
        wanted = [keys[2].id, KeyId(new_id()), keys[0].id, keys[1].id]
        assert list(await storage.write(lambda uow: uow.keys.lock_all(iter(wanted)))) == keys[:3]
        assert list(await storage.write(lambda uow: uow.keys.lock_all([]))) == []

    async def test_those_of_some_subscriptions_oldest_first(self, storage: Storage) -> None:
        mine, other, third = [await open_shop(storage) for _ in range(3)]
        first, second = mine.key(created_at=NOW), other.key(created_at=NOW + HOUR)
        await storage.write(lambda uow: [uow.keys.add(key) for key in (second, first, third.key())])
        wanted = (other.subscription.id, mine.subscription.id)
        assert list(await storage.read(lambda uow: uow.keys.of_subscriptions(iter(wanted)))) == [first, second]

    async def test_those_of_a_server_ascending_by_key(self, storage: Storage) -> None:
        shop, other = await open_shop(storage), await open_shop(storage)
        subscriptions = [a_subscription(shop.user, shop.tariff) for _ in range(5)]
        keys = sorted((a_key(s, shop.server) for s in subscriptions), key=lambda key: key.id)
        await storage.write(lambda uow: [uow.subscriptions.add(s) for s in subscriptions])
        await storage.write(lambda uow: [uow.keys.add(key) for key in (*keys, other.key())])
        first = await storage.read(lambda uow: uow.keys.of_server(shop.server.id, limit=3))
        rest = await storage.read(lambda uow: uow.keys.of_server(shop.server.id, limit=3, after=first[-1].id))
        assert [*first, *rest] == keys

    async def test_pages_descend_by_key_of_all_or_of_one_user(self, storage: Storage) -> None:
        mine, others = await stored(storage, 3), await stored(storage, 2)
        everyone = sorted((*mine, *others), key=lambda key: key.id, reverse=True)
        first = await storage.read(lambda uow: uow.keys.page(limit=3))
        rest = await storage.read(lambda uow: uow.keys.page(limit=3, after=first[-1].id))
        assert [*first, *rest] == everyone
        user = mine[0].user_id
        top = await storage.read(lambda uow: uow.keys.page(limit=2, user_id=user))
        tail = await storage.read(lambda uow: uow.keys.page(limit=2, user_id=user, after=top[-1].id))
        assert [*top, *tail] == mine[::-1]


class TestUnsettledKeys:
    async def test_those_whose_server_has_not_what_we_want_oldest_first(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        there, url = KeyState(present=True), Sealed(b"ss://")
        kinds: dict[str, dict[str, Any]] = {
            "settled": {"observed": there, "access_url": url},
            "gone": {"desired": ABSENT},
            "wanted": {"changed_at": NOW - HOUR},
            "no address": {"observed": there, "changed_at": NOW - 2 * HOUR},
            "limit": {"observed": KeyState(present=True, limit=1), "access_url": url, "changed_at": NOW - 3 * HOUR},
            "to remove": {"desired": ABSENT, "observed": there, "changed_at": NOW - 4 * HOUR},
            "holds a place": {"desired": ABSENT, "placed": True, "changed_at": NOW - 5 * HOUR},
            "just now": {"changed_at": NOW},
        }
        servers: dict[str, Server] = {kind: a_server() for kind in kinds}
        keys = {kind: a_key(shop.subscription, servers[kind], **values) for kind, values in kinds.items()}
        await storage.write(lambda uow: [uow.servers.add(server) for server in servers.values()])
        await storage.write(lambda uow: [uow.keys.add(key) for key in keys.values()])
        found = list(await storage.read(lambda uow: uow.keys.unsettled(9, NOW)))
        expected = ["holds a place", "to remove", "limit", "no address", "wanted"]
        assert found == [keys[kind].id for kind in expected]
        assert list(await storage.read(lambda uow: uow.keys.unsettled(2, NOW))) == found[:2]

    async def test_a_key_that_was_settled_is_no_longer_listed(self, storage: Storage) -> None:
        key = (await open_shop(storage)).key(changed_at=NOW - HOUR)
        await storage.write(lambda uow: uow.keys.add(key))
        seen = replace(key, observed=key.desired, access_url=Sealed(b"ss://"))
        await storage.write(lambda uow: uow.keys.save(seen))
        assert list(await storage.read(lambda uow: uow.keys.unsettled(9, NOW))) == []
