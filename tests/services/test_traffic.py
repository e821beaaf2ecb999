"""Traffic: our own ledger, which no window and no restart makes fall."""

import pytest
from tests.services.world import DAY, World

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.order import Order
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.vpn import Endpoint, Usage

GB = 10**9


async def measured(world: World, server: Server, user: User) -> int:
    await world.reconcile(server)
    await world.settle()
    return (await world.holding(user)).used


class TestAWindow:
    @pytest.fixture
    async def order(self, world: World, server: Server, tariff: Tariff, ann: User) -> Order:  # noqa: ARG002
        return await world.buy(ann, tariff)

    @pytest.mark.usefixtures("order")
    async def test_it_falls_and_the_ledger_does_not(self, world: World, server: Server, ann: User) -> None:
        key = await world.key(ann)
        counted = world.vpn.servers[server.id].counted
        used = []
        for reading in (5 * GB, 3 * GB, 0, 4 * GB, 6 * GB):
            counted[str(key.id)] = reading
            used.append(await measured(world, server, ann))
        assert used == [5 * GB, 5 * GB, 5 * GB, 5 * GB, 6 * GB]

    @pytest.mark.usefixtures("order")
    async def test_a_key_that_was_not_measured_keeps_what_it_had(self, world: World, server: Server, ann: User) -> None:
        key = await world.key(ann)
        world.vpn.traffic(server.id, key.id, GB)
        await measured(world, server, ann)
        world.vpn.servers[server.id].counted.clear()
        assert await measured(world, server, ann) == GB

    @pytest.mark.usefixtures("order")
    async def test_a_server_that_cannot_be_asked_cuts_nobody(self, world: World, server: Server, ann: User) -> None:
        key = await world.key(ann)
        world.vpn.traffic(server.id, key.id, GB)
        await measured(world, server, ann)
        world.vpn.fail_next(Unavailable(), on="usage")
        with pytest.raises(Unavailable):
            await world.reconcile(server)
        assert (await world.holding(ann)).used == GB
        assert len(world.remote(server)) == 1

    @pytest.mark.usefixtures("order")
    async def test_a_reading_that_is_booked_late_takes_nothing_back(
        self, world: World, server: Server, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        key = await world.key(ann)
        world.vpn.traffic(server.id, key.id, GB)
        read, meanwhile = world.vpn.usage, iter((True, False))

        async def stand_still(endpoint: Endpoint) -> Usage:
            usage = await read(endpoint)
            if next(meanwhile):  # another worker looks, later, and books first
                world.vpn.traffic(server.id, key.id, GB)
                await world.app.provisioning.reconcile(server.id)
            return usage

        monkeypatch.setattr(world.vpn, "usage", stand_still)
        assert await measured(world, server, ann) == 2 * GB


class TestACounter:
    @pytest.fixture
    async def xray(self, world: World, ann: User) -> Server:
        server = await world.server(protocol=Protocol.V2RAY)
        await world.buy(ann, await world.tariff(protocols=(Protocol.V2RAY,)))
        return server

    async def test_a_restart_neither_loses_nor_gives_gigabytes(self, world: World, xray: Server, ann: User) -> None:
        vpn, key = world.out.v2ray, await world.key(ann)
        vpn.traffic(xray.id, key.id, 5 * GB)
        assert await measured(world, xray, ann) == 5 * GB
        vpn.restart(xray.id)
        assert await measured(world, xray, ann) == 5 * GB
        assert world.remote(xray) == {str(key.id)}
        vpn.traffic(xray.id, key.id, 2 * GB)
        assert await measured(world, xray, ann) == 7 * GB
        assert await measured(world, xray, ann) == 7 * GB

    async def test_the_ledger_outlives_the_key(self, world: World, xray: Server, ann: User) -> None:
        key = await world.key(ann)
        world.out.v2ray.traffic(xray.id, key.id, GB)
        await measured(world, xray, ann)
        await world.advance(40 * DAY)
        assert (await world.holding(ann)).used == GB

    async def test_a_dry_run_books_nothing(self, world: World, xray: Server, ann: User) -> None:
        key = await world.key(ann)
        world.out.v2ray.traffic(xray.id, key.id, GB)
        await world.reconcile(xray, dry_run=True)
        assert (await world.holding(ann)).used == 0
