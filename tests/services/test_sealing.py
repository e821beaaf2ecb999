"""From an old encryption key to a new one, beside workers that go on, with no value forgotten."""

import dataclasses
import inspect
import pkgutil
import typing
from collections.abc import Iterator, Mapping
from importlib import import_module

import pytest
from sqlalchemy import LargeBinary
from tests.contracts.storage.things import a_key, a_server, a_subscription, a_tariff, a_user

from veilbot_adapters.database.tables import metadata
from veilbot_adapters.memory import MemoryClock, MemoryDoorbell, MemoryStorage
from veilbot_adapters.sealing import SealingSecrets, new_key
from veilbot_core import domain
from veilbot_core.domain.errors import Rejected, Unavailable
from veilbot_core.domain.secret import Place, Sealed
from veilbot_core.domain.server import Server
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.sealing import Sealing, Tally

OLD, NEW = new_key(), new_key()
BOTH, AFTER = SealingSecrets([NEW, OLD]), SealingSecrets([NEW])
COUNT = 450
"""More than two batches."""


@pytest.fixture
async def storage() -> MemoryStorage:
    """A shop whose secrets are all under the old key."""
    clock = MemoryClock()
    storage, old = MemoryStorage(MemoryDoorbell(clock), clock), SealingSecrets([OLD])
    user, tariff = a_user(), a_tariff()

    def sealed(server: Server) -> Server:
        return dataclasses.replace(server, endpoint=old.seal(f"endpoint {server.id}", server.id))

    def fill(uow: UnitOfWork) -> None:
        server = sealed(a_server(capacity=COUNT))
        uow.servers.add(server)
        for _ in range(COUNT):
            mine = a_subscription(user, tariff)
            uow.subscriptions.add(dataclasses.replace(mine, token=old.seal(f"token {mine.id}", mine.id)))
            key = a_key(mine, server)
            uow.keys.add(dataclasses.replace(key, access_url=old.seal(f"url {key.id}", key.id)))

    await storage.write(fill)
    return storage


async def opened(storage: MemoryStorage, secrets: SealingSecrets) -> int:
    """Open all there is; return how much that was."""

    def work(uow: UnitOfWork) -> int:
        pairs = [(p, uow.seals.page(p, limit=10_000)) for p in Place]
        texts = [secrets.open(sealed, row) for _, page in pairs for row, sealed in page]
        names = [f"{p.value.partition('.')[2].rpartition('_')[2]} {row}" for p, page in pairs for row, _ in page]
        assert texts == names
        return len(texts)

    return await storage.read(work)


def the_sum(found: Mapping[Place, Tally]) -> Tally:
    return sum(found.values(), Tally())


async def test_all_is_sealed_anew_and_the_old_key_can_go(storage: MemoryStorage) -> None:
    sealing = Sealing(storage=storage, secrets=BOTH)
    told: list[tuple[Place, Tally]] = []
    assert the_sum(await sealing.look()).old == 2 * COUNT + 1
    with pytest.raises(Rejected):
        await opened(storage, AFTER)
    found = await sealing.rotate(lambda place, tally: told.append((place, tally)))
    assert found[Place.KEY] == Tally(seen=COUNT, old=COUNT)
    assert the_sum(found) == Tally(seen=2 * COUNT + 1, old=2 * COUNT + 1)
    assert [tally.seen for place, tally in told if place is Place.KEY] == [200, 400, 450]
    assert await opened(storage, AFTER) == 2 * COUNT + 1
    assert the_sum(await sealing.look()) == Tally(seen=2 * COUNT + 1)


async def test_again_changes_nothing(storage: MemoryStorage) -> None:
    sealing = Sealing(storage=storage, secrets=BOTH)
    await sealing.rotate()
    commits = storage.commits
    assert the_sum(await sealing.rotate()) == Tally(seen=2 * COUNT + 1)
    assert storage.commits == commits


async def test_begun_again_it_goes_on_with_what_is_left(storage: MemoryStorage) -> None:
    sealing = Sealing(storage=storage, secrets=BOTH)

    def die(_: Place, tally: Tally) -> None:
        if tally.seen >= 200:
            storage.fail_next(Unavailable())

    with pytest.raises(Unavailable):
        await sealing.rotate(die)
    left = the_sum(await sealing.look()).old
    assert 0 < left < 2 * COUNT
    assert the_sum(await sealing.rotate()).old == left
    assert await opened(storage, AFTER) == 2 * COUNT + 1


async def test_what_a_worker_writes_meanwhile_stays(storage: MemoryStorage) -> None:
    """Between the look at a batch and its change, a server answers with another access URL."""
    [key, *_] = await storage.read(lambda uow: uow.keys.page(limit=1))
    worker = SealingSecrets([OLD, NEW])  # a process that was not restarted yet

    class Meddling(MemoryStorage):
        async def write(self, work: typing.Any) -> typing.Any:
            fresh = dataclasses.replace(key, access_url=worker.seal("a new url", key.id), note="mine")
            await storage.write(lambda uow: uow.keys.save(fresh))
            return await storage.write(work)

        async def read(self, work: typing.Any) -> typing.Any:
            return await storage.read(work)

    clock = MemoryClock()
    await Sealing(storage=Meddling(MemoryDoorbell(clock), clock), secrets=BOTH).rotate()
    after = await storage.read(lambda uow: uow.keys.get(key.id))
    assert after.access_url is not None
    assert (AFTER.open(after.access_url, key.id), after.note) == ("a new url", "mine")


async def test_what_no_key_opens_is_counted_and_keeps_no_other_value_back(storage: MemoryStorage) -> None:
    [key, *_] = await storage.read(lambda uow: uow.keys.page(limit=1))
    lost = SealingSecrets([new_key()]).seal("url", key.id)
    await storage.write(lambda uow: uow.keys.save(dataclasses.replace(key, access_url=lost)))
    sealing = Sealing(storage=storage, secrets=BOTH)
    assert (await sealing.look())[Place.KEY] == Tally(seen=COUNT, old=COUNT - 1, shut=1)
    assert (await sealing.rotate())[Place.KEY] == Tally(seen=COUNT, old=COUNT - 1, shut=1)
    assert (await sealing.look())[Place.KEY] == Tally(seen=COUNT, shut=1)
    kept = await storage.read(lambda uow: uow.keys.get(key.id))
    assert kept.access_url == lost


def sealed_fields() -> Iterator[str]:
    """Yield every sealed field of the domain."""
    modules = [import_module(info.name) for info in pkgutil.iter_modules(domain.__path__, f"{domain.__name__}.")]
    kinds = [kind for module in modules for kind in inspect.getmembers(module, dataclasses.is_dataclass)]
    for name, kind in kinds:
        hints = typing.get_type_hints(kind).items()
        yield from (f"{name.lower()}.{field}" for field, hint in hints if Sealed in (hint, *typing.get_args(hint)))


def test_no_sealed_field_is_forgotten() -> None:
    assert set(sealed_fields()) == {place.value for place in Place}


def test_no_sealed_column_is_forgotten() -> None:
    """Whatever holds bytes is a place, or known to hold no secret."""
    binary = {
        f"{table.name}.{column.name}"
        for table in metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert binary - {"replies.body"} == {place.value.replace(".", "s.") for place in Place}
