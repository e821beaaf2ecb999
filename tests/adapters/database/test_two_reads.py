"""What happens between two reads of one unit of work: Postgres shows it to the second one (READ COMMITTED)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from tests.contracts.storage.conftest import WallClock
from tests.postgres import Server
from tests.services.shop import build
from tests.services.world import World

from veilbot_adapters.database import connect
from veilbot_core.domain.server import ServerStatus
from veilbot_core.ports.storage import Storage, UnitOfWork

T = TypeVar("T")


class _Meanwhile:
    """A repository after whose first read of a unit of work something is committed elsewhere."""

    def __init__(self, repository: Any, act: Callable[[], None]) -> None:
        self._repository, self._act = repository, act
        self._waits = True

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._repository, name)

        def call(*given: Any) -> Any:
            found = method(*given)
            if self._waits and name in {"get", "all"}:
                self._waits = False
                self._act()
            return found

        return call


class Interrupted(Storage):
    """A storage in whose units of work servers change after they were read first."""

    def __init__(self, storage: Storage, act: Callable[[], None]) -> None:
        self._storage, self._act = storage, act

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        return await self._storage.read(work)

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        def between(uow: UnitOfWork) -> T:
            servers = uow.servers
            uow.servers = cast(Any, _Meanwhile(servers, self._act))
            try:
                return work(uow)
            finally:
                uow.servers = servers

        return await self._storage.write(between)

    async def check(self) -> None:
        await self._storage.check()


async def test_a_server_that_returns_to_service_during_a_move_gives_no_second_place(
    postgres: Server, postgres_url: str
) -> None:
    world = World()
    database = connect(postgres_url, world.out.doorbell, WallClock())
    world.out = replace(world.out, storage=cast(Any, database))
    world.app = build(world.out)
    server, ann = await world.server(capacity=10), await world.customer()
    await world.buy(ann, await world.tariff())
    await world.app.moving.ask(server.id)

    def enable() -> None:
        postgres.run("UPDATE servers SET status = 'active'", postgres_url.rpartition("/")[2])

    world.app = build(replace(world.out, storage=cast(Any, Interrupted(database, enable))))
    await world.settle()
    (found,) = await world.app.fleet.all()
    assert found.status is ServerStatus.ACTIVE
    assert found.reserved == sum(key.placed for key in await world.keys()) == 1
    await database.close()
