"""What is sold."""

from dataclasses import replace

import pytest
from tests.contracts.storage.things import NOW, a_tariff, new_id

from veilbot_core.domain.errors import AlreadyExists, NotFound
from veilbot_core.domain.ids import TariffId
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.storage import Storage


class TestTariffs:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        terms = Terms(
            name="Год «Всё»",
            days=365,
            traffic_limit=2**53,
            device_limit=3,
            protocols=(Protocol.V2RAY, Protocol.OUTLINE),
            groups=("eu", "азия"),
        )
        tariff = a_tariff(terms=terms, prices={"RUB": 10**15, "USD": 1}, archived_at=NOW)
        await storage.write(lambda uow: uow.tariffs.add(tariff))
        assert await storage.read(lambda uow: uow.tariffs.get(tariff.id)) == tariff

    async def test_a_trial_has_no_price(self, storage: Storage) -> None:
        tariff = a_tariff(prices={}, trial=True)
        await storage.write(lambda uow: uow.tariffs.add(tariff))
        assert await storage.read(lambda uow: uow.tariffs.get(tariff.id)) == tariff

    async def test_all_are_listed_oldest_first(self, storage: Storage) -> None:
        tariffs = [a_tariff(), a_tariff(archived_at=NOW), a_tariff()]
        await storage.write(lambda uow: [uow.tariffs.add(tariff) for tariff in reversed(tariffs)])
        assert list(await storage.read(lambda uow: uow.tariffs.all())) == tariffs

    async def test_saved_changes_come_back(self, storage: Storage) -> None:
        tariff = a_tariff()
        await storage.write(lambda uow: uow.tariffs.add(tariff))
        changed = replace(tariff, prices={"EUR": 5}, terms=replace(tariff.terms, days=7), archived_at=NOW)
        await storage.write(lambda uow: uow.tariffs.save(changed))
        assert await storage.read(lambda uow: uow.tariffs.get(tariff.id)) == changed

    async def test_an_id_is_used_once(self, storage: Storage) -> None:
        tariff = a_tariff()
        await storage.write(lambda uow: uow.tariffs.add(tariff))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.tariffs.add(tariff))

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.tariffs.get(TariffId(new_id())))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.tariffs.save(a_tariff()))
