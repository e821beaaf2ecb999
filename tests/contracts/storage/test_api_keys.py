"""Keys of the HTTP API."""

from dataclasses import replace

import pytest
from tests.contracts.storage.things import HOUR, NOW, an_api_key, new_id

from veilbot_core.domain.errors import AlreadyExists, NotFound
from veilbot_core.domain.ids import ApiKeyId
from veilbot_core.ports.storage import Storage


class TestApiKeys:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        key = an_api_key(name="Панель", expires_at=NOW + HOUR, revoked_at=NOW)
        await storage.write(lambda uow: uow.api_keys.add(key))
        assert await storage.read(lambda uow: uow.api_keys.get(key.id)) == key

    async def test_found_by_digest(self, storage: Storage) -> None:
        key = an_api_key()
        await storage.write(lambda uow: uow.api_keys.add(key))
        assert await storage.read(lambda uow: uow.api_keys.by_digest(key.digest)) == key
        assert await storage.read(lambda uow: uow.api_keys.by_digest("other")) is None

    async def test_all_are_listed_oldest_first(self, storage: Storage) -> None:
        keys = [an_api_key() for _ in range(3)]
        await storage.write(lambda uow: [uow.api_keys.add(key) for key in reversed(keys)])
        assert list(await storage.read(lambda uow: uow.api_keys.all())) == keys

    async def test_saved_changes_come_back(self, storage: Storage) -> None:
        key = an_api_key()
        await storage.write(lambda uow: uow.api_keys.add(key))
        changed = replace(key.revoke(NOW), scopes=frozenset({"*"}))
        await storage.write(lambda uow: uow.api_keys.save(changed))
        assert await storage.read(lambda uow: uow.api_keys.get(key.id)) == changed

    async def test_id_and_digest_are_used_once(self, storage: Storage) -> None:
        key = an_api_key()
        await storage.write(lambda uow: uow.api_keys.add(key))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.api_keys.add(replace(key, digest="other")))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.api_keys.add(an_api_key(digest=key.digest)))

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.api_keys.get(ApiKeyId(new_id())))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.api_keys.save(an_api_key()))
