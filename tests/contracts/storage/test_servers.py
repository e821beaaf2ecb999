"""VPN servers and their places."""

from dataclasses import replace

import pytest
from tests.contracts.storage.things import NOW, a_server, new_id

from veilbot_core.domain.errors import AlreadyExists, NotFound
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.storage import Storage


class TestServers:
    async def test_what_was_added_comes_back(self, storage: Storage) -> None:
        server = a_server(
            name="Амстердам № 1",
            protocol=Protocol.V2RAY,
            endpoint=Sealed(bytes(range(256))),
            capacity=1_000_000,
            reserved=3,
            weight=7,
            access=AccessLevel.VIP,
            group="eu",
            status=ServerStatus.DRAINING,
            down_since=NOW,
        )
        await storage.write(lambda uow: uow.servers.add(server))
        assert await storage.read(lambda uow: uow.servers.get(server.id)) == server
        assert await storage.write(lambda uow: uow.servers.lock(server.id)) == server

    async def test_all_are_listed_oldest_first(self, storage: Storage) -> None:
        servers = [a_server() for _ in range(3)]
        await storage.write(lambda uow: [uow.servers.add(server) for server in reversed(servers)])
        assert list(await storage.read(lambda uow: uow.servers.all())) == servers

    async def test_id_and_name_are_used_once(self, storage: Storage) -> None:
        server = a_server()
        await storage.write(lambda uow: uow.servers.add(server))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.servers.add(replace(server, name="other")))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.servers.add(a_server(name=server.name)))
        other = a_server()
        await storage.write(lambda uow: uow.servers.add(other))
        with pytest.raises(AlreadyExists):
            await storage.write(lambda uow: uow.servers.save(replace(other, name=server.name)))

    async def test_saving_writes_all_but_the_places_taken(self, storage: Storage) -> None:
        server = a_server()
        await storage.write(lambda uow: uow.servers.add(server))
        assert await storage.write(lambda uow: uow.servers.take_place(server.id))
        changed = replace(server, name="new", capacity=4, weight=2, status=ServerStatus.DRAINING, down_since=NOW)
        await storage.write(lambda uow: uow.servers.save(changed))
        assert await storage.read(lambda uow: uow.servers.get(server.id)) == replace(changed, reserved=1)

    async def test_unknown_is_not_found(self, storage: Storage) -> None:
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.servers.get(ServerId(new_id())))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.servers.lock(ServerId(new_id())))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: uow.servers.save(a_server()))


class TestPlaces:
    async def _reserved(self, storage: Storage, server: Server) -> int:
        return (await storage.read(lambda uow: uow.servers.get(server.id))).reserved

    async def test_places_are_taken_until_the_server_is_full(self, storage: Storage) -> None:
        server = a_server(capacity=2)
        await storage.write(lambda uow: uow.servers.add(server))
        taken = [await storage.write(lambda uow: uow.servers.take_place(server.id)) for _ in range(3)]
        assert taken == [True, True, False]
        assert await self._reserved(storage, server) == 2

    async def test_a_place_that_was_given_back_can_be_taken(self, storage: Storage) -> None:
        server = a_server(capacity=1, reserved=1)
        await storage.write(lambda uow: uow.servers.add(server))
        await storage.write(lambda uow: uow.servers.free_place(server.id))
        assert await storage.write(lambda uow: uow.servers.take_place(server.id))

    async def test_no_more_places_come_back_than_were_taken(self, storage: Storage) -> None:
        server = a_server(capacity=1)
        await storage.write(lambda uow: uow.servers.add(server))
        await storage.write(lambda uow: uow.servers.free_place(server.id))
        assert await self._reserved(storage, server) == 0

    @pytest.mark.parametrize("status", [ServerStatus.DRAINING, ServerStatus.DISABLED])
    async def test_only_an_active_server_gives_places(self, storage: Storage, status: ServerStatus) -> None:
        server = a_server(status=status)
        await storage.write(lambda uow: uow.servers.add(server))
        assert not await storage.write(lambda uow: uow.servers.take_place(server.id))
        assert await self._reserved(storage, server) == 0

    async def test_an_unknown_server_gives_no_place(self, storage: Storage) -> None:
        assert not await storage.write(lambda uow: uow.servers.take_place(ServerId(new_id())))

    async def test_a_rolled_back_place_is_free_again(self, storage: Storage) -> None:
        server = a_server(capacity=1)
        await storage.write(lambda uow: uow.servers.add(server))
        with pytest.raises(NotFound):
            await storage.write(lambda uow: (uow.servers.take_place(server.id), uow.servers.get(ServerId(new_id()))))
        assert await self._reserved(storage, server) == 0
