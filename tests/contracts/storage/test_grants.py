"""Grants: what a subscription is made of."""

import pytest
from tests.contracts.storage.things import HOUR, NOW, a_grant, a_subscription, a_tariff, a_user, open_shop

from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.subscription import GrantSource
from veilbot_core.ports.storage import Storage


class TestGrants:
    async def test_what_was_added_comes_back_oldest_first(self, storage: Storage) -> None:
        mine, other = (await open_shop(storage)).subscription, (await open_shop(storage)).subscription
        second = a_grant(mine, at=NOW + HOUR, days=36500, taken_back=7, source=GrantSource.OPERATOR)
        first = a_grant(mine)
        grants = (second, first, a_grant(other))
        assert await storage.write(lambda uow: [uow.subscriptions.add_grant(g) for g in grants]) == [True, True, True]
        assert list(await storage.read(lambda uow: uow.subscriptions.grants(mine.id))) == [first, second]

    async def test_a_source_grants_once(self, storage: Storage) -> None:
        mine, other = (await open_shop(storage)).subscription, (await open_shop(storage)).subscription
        grant = a_grant(mine, source_id="promo")
        assert await storage.write(lambda uow: uow.subscriptions.add_grant(grant)) is True
        again = a_grant(other, source_id="promo")
        assert await storage.write(lambda uow: uow.subscriptions.add_grant(again)) is False
        assert list(await storage.read(lambda uow: uow.subscriptions.grants(other.id))) == []
        elsewhere = a_grant(mine, source_id="promo", source=GrantSource.PROMO)
        assert await storage.write(lambda uow: uow.subscriptions.add_grant(elsewhere)) is True

    async def test_found_by_its_source(self, storage: Storage) -> None:
        grant = a_grant((await open_shop(storage)).subscription, source_id="ключ")
        await storage.write(lambda uow: uow.subscriptions.add_grant(grant))
        assert await storage.read(lambda uow: uow.subscriptions.grant_for(GrantSource.ORDER, "ключ")) == grant
        assert await storage.read(lambda uow: uow.subscriptions.grant_for(GrantSource.TRIAL, "ключ")) is None

    async def test_a_shrunk_grant_is_saved(self, storage: Storage) -> None:
        grant = a_grant((await open_shop(storage)).subscription)
        await storage.write(lambda uow: uow.subscriptions.add_grant(grant))
        shrunk = grant.shrink(1, 2)
        await storage.write(lambda uow: uow.subscriptions.save_grant(shrunk))
        assert list(await storage.read(lambda uow: uow.subscriptions.grants(grant.subscription_id))) == [shrunk]

    async def test_saving_an_unknown_grant_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.subscriptions.save_grant(a_grant(a_subscription(a_user(), a_tariff()))))
