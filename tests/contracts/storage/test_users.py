"""Customers."""

from dataclasses import replace

import pytest
from tests.contracts.storage.things import NOW, a_user, new_id

from veilbot_core.domain.errors import AlreadyExists, NotFound
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.storage import Storage


class TestUsers:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        user = a_user(
            telegram_id=2**52 - 1,
            name="Зоя 🦊 \u202eZ",
            language=Language.RU,
            vip=True,
            blocked_at=NOW,
            unreachable_at=NOW,
        )
        await storage.write(lambda uow: uow.users.add(user))
        assert await storage.read(lambda uow: uow.users.get(user.id)) == user
        assert await storage.write(lambda uow: uow.users.lock(user.id)) == user

    async def test_found_by_telegram_id(self, storage: Storage) -> None:
        user = a_user(telegram_id=7)
        await storage.write(lambda uow: uow.users.add(user))
        assert await storage.read(lambda uow: uow.users.by_telegram_id(7)) == user
        assert await storage.read(lambda uow: uow.users.by_telegram_id(8)) is None

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.users.get(UserId(new_id())))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.users.lock(UserId(new_id())))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.users.save(a_user()))

    async def test_an_id_is_used_once(self, storage: Storage) -> None:
        user = a_user()
        await storage.write(lambda uow: uow.users.add(user))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.users.add(replace(user, name="other")))
        assert await storage.read(lambda uow: uow.users.get(user.id)) == user

    async def test_a_telegram_account_is_one_user(self, storage: Storage) -> None:
        await storage.write(lambda uow: uow.users.add(a_user(telegram_id=7)))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.users.add(a_user(telegram_id=7)))

    async def test_saving_cannot_take_the_telegram_account_of_another(self, storage: Storage) -> None:
        await storage.write(lambda uow: uow.users.add(a_user(telegram_id=7)))
        other = a_user()
        await storage.write(lambda uow: uow.users.add(other))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.users.save(replace(other, telegram_id=7)))
        assert await storage.read(lambda uow: uow.users.get(other.id)) == other

    async def test_many_may_have_no_telegram_account(self, storage: Storage) -> None:
        await storage.write(lambda uow: [uow.users.add(a_user()) for _ in range(2)])

    async def test_saved_changes_come_back(self, storage: Storage) -> None:
        user = a_user(telegram_id=7)
        await storage.write(lambda uow: uow.users.add(user))
        changed = replace(user, name="Bob", language=Language.RU, vip=True, blocked_at=NOW)
        await storage.write(lambda uow: uow.users.save(changed))
        assert await storage.read(lambda uow: uow.users.get(user.id)) == changed

    async def test_pages_go_from_new_to_old(self, storage: Storage) -> None:
        users = [a_user() for _ in range(5)]
        await storage.write(lambda uow: [uow.users.add(user) for user in users])

        async def page(after: User | None) -> list[User]:
            return list(await storage.read(lambda uow: uow.users.page(limit=2, after=after.id if after else None)))

        first = await page(None)
        second = await page(first[-1])
        third = await page(second[-1])
        assert [*first, *second, *third] == users[::-1]
        assert await page(third[-1]) == []
