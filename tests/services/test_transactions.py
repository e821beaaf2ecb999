"""No call goes out from inside a unit of work, and what it did is undone when it raises."""

import pytest
from tests.services.world import World

from veilbot_adapters.memory import inside_unit_of_work
from veilbot_core.domain.errors import NetworkInsideTransaction, Unavailable
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Alert
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.ports.vpn import Endpoint


class TestTransactions:
    async def test_the_fakes_refuse_a_call_from_inside(self, world: World, server: Server, ann: User) -> None:
        endpoint = Endpoint.of(server, world.out.secrets)
        token = inside_unit_of_work.set(True)
        try:
            for call in (
                lambda: world.vpn.list(endpoint),
                lambda: world.notifier.alert(Alert(code="code", subject=ann.id)),
                lambda: world.out.bus.publish([]),
            ):
                with pytest.raises(NetworkInsideTransaction):
                    await call()
        finally:
            inside_unit_of_work.reset(token)
        assert not world.alerts()

    async def test_what_raises_writes_nothing(self, world: World, server: Server, ann: User) -> None:
        def work(uow: UnitOfWork) -> None:
            uow.users.save(uow.users.lock(ann.id).block(world.out.clock.now()))
            uow.servers.take_place(server.id)
            raise Unavailable

        with pytest.raises(Unavailable):
            await world.out.storage.write(work)
        assert await world.app.users.get(ann.id) == ann
        assert (await world.app.fleet.get(server.id)).reserved == 0

    async def test_a_purchase_that_is_run_twice_by_the_database_happens_once(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.out.storage.run_next_twice()
        order = await world.order(ann, tariff)
        world.out.storage.run_next_twice()
        await world.pay(order)
        await world.settle()
        assert len(world.remote(server)) == 1
        assert len(await world.payments(order)) == 1
