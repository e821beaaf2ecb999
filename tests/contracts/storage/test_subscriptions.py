"""Rights to use."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.contracts.storage.things import HOUR, NOW, a_subscription, a_tariff, a_user, new_id, open_shop

from veilbot_core.domain.errors import AlreadyExists, NotFound
from veilbot_core.domain.ids import SubscriptionId
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.storage import Storage


class TestSubscriptions:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        subscription = a_subscription(
            shop.user,
            shop.tariff,
            terms=Terms(name="Год", days=365, device_limit=2, protocols=(Protocol.V2RAY,), groups=("eu",)),
            country="DE",
            token=Sealed(bytes(range(256))),
            vip=True,
            frozen_at=NOW,
            check_at=None,
        )
        await storage.write(lambda uow: uow.subscriptions.add(subscription))
        assert await storage.read(lambda uow: uow.subscriptions.get(subscription.id)) == subscription
        assert await storage.write(lambda uow: uow.subscriptions.lock(subscription.id)) == subscription
        assert await storage.write(lambda uow: uow.subscriptions.find(subscription.id)) == subscription

    async def test_found_by_the_digest_of_its_link(self, storage: Storage) -> None:
        mine = (await open_shop(storage)).subscription
        assert await storage.read(lambda uow: uow.subscriptions.by_digest(mine.token_digest)) == mine
        assert await storage.read(lambda uow: uow.subscriptions.by_digest("0" * 64)) is None

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        unknown = SubscriptionId(new_id())
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.subscriptions.get(unknown))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.subscriptions.lock(unknown))
        assert await storage.write(lambda uow: uow.subscriptions.find(unknown)) is None

    async def test_id_and_link_are_used_once(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.subscriptions.add(replace(shop.subscription, token_digest="other")))
        stranger = a_subscription(shop.user, shop.tariff, token_digest=shop.subscription.token_digest)
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.subscriptions.add(stranger))

    async def test_those_of_a_user_newest_first(self, storage: Storage) -> None:
        shop, _ = await open_shop(storage), await open_shop(storage)
        second = a_subscription(shop.user, shop.tariff)
        await storage.write(lambda uow: uow.subscriptions.add(second))
        found = await storage.read(lambda uow: uow.subscriptions.of_user(shop.user.id))
        assert list(found) == [second, shop.subscription]

    async def test_pages_go_from_new_to_old(self, storage: Storage) -> None:
        mine = [(await open_shop(storage)).subscription for _ in range(3)]
        first = await storage.read(lambda uow: uow.subscriptions.page(limit=2))
        rest = await storage.read(lambda uow: uow.subscriptions.page(limit=2, after=first[-1].id))
        assert [*first, *rest] == mine[::-1]


class TestSavingSubscriptions:
    async def test_saved_changes_come_back(self, storage: Storage) -> None:
        one, two = (await open_shop(storage)).subscription, (await open_shop(storage)).subscription
        changed = (replace(one, ends_at=NOW, check_at=None, country="FI"), two.freeze(NOW).rotate(Sealed(b"new"), "d"))
        await storage.write(lambda uow: uow.subscriptions.save(*changed))
        assert await storage.read(lambda uow: uow.subscriptions.get(one.id)) == changed[0]
        assert await storage.read(lambda uow: uow.subscriptions.get(two.id)) == changed[1]

    async def test_saving_none_does_nothing(self, storage: Storage) -> None:
        await storage.write(lambda uow: uow.subscriptions.save())

    async def test_one_unknown_among_several_fails_all(self, storage: Storage) -> None:
        shop = await open_shop(storage)
        known = replace(shop.subscription, country="FI")
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.subscriptions.save(known, a_subscription(a_user(), a_tariff())))
        assert await storage.read(lambda uow: uow.subscriptions.get(known.id)) == shop.subscription

    async def test_saving_cannot_take_the_link_of_another(self, storage: Storage) -> None:
        one, two = (await open_shop(storage)).subscription, (await open_shop(storage)).subscription
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.subscriptions.save(replace(two, token_digest=one.token_digest)))


class TestDueSubscriptions:
    async def test_those_whose_time_has_come_earliest_first(self, storage: Storage) -> None:
        shop = await open_shop(storage)  # its own is due in 27 days
        times = {"now": NOW, "later": NOW + timedelta(microseconds=1), "early": NOW - HOUR, "never": None}
        named = {name: a_subscription(shop.user, shop.tariff, check_at=at) for name, at in times.items()}
        await storage.write(lambda uow: [uow.subscriptions.add(s) for s in named.values()])
        assert list(await storage.write(lambda uow: uow.subscriptions.due(NOW, 9))) == [named["early"], named["now"]]
        assert list(await storage.write(lambda uow: uow.subscriptions.due(NOW, 1))) == [named["early"]]
