"""Servers: added, watched, taken out of service."""

from dataclasses import replace

import pytest
from tests.services.world import HOUR, MINUTE, World, together

from veilbot_core.domain.errors import AlreadyExists, InvalidInput, NotFound, ProtocolOff, Rejected, Unavailable
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.vpn import Endpoint
from veilbot_core.services.fleet import Draft, Fleet


async def probe(world: World) -> None:
    await world.app.work.handlers[JobKind.PROBE](None)  # type: ignore[arg-type]
    await world.settle()


class TestAdding:
    async def test_a_server_is_asked_before_it_is_saved(self, world: World) -> None:
        world.vpn.fail_next(Rejected("another certificate"), on="probe")
        with pytest.raises(Rejected):
            await world.server()
        assert not await world.app.fleet.all()

    async def test_or_not_at_all(self, world: World) -> None:
        draft = Draft(name="later", protocol=Protocol.OUTLINE, country="NL", endpoint={"api_url": "https://x"})
        server = await world.app.fleet.add(draft, probe=False)
        assert world.vpn.calls["probe"] == 0
        assert await world.app.fleet.get(server.id) == server

    async def test_its_secrets_are_sealed_and_never_shown(self, world: World, server: Server) -> None:
        assert "secret-path" not in repr(server.endpoint)
        endpoint = Endpoint.of(server, world.out.secrets)
        assert endpoint.settings["api_url"] == "https://server.example/secret-path"
        assert "secret-path" not in repr(endpoint) + repr(server)

    async def test_bad_input_names_the_field(self, world: World) -> None:
        for changes, field in (
            ({"endpoint": {"api_url": " "}}, "api_url"),
            ({"endpoint": {}}, "address"),
            ({"country": "Netherlands"}, "country"),
            ({"name": ""}, "name"),
            ({"capacity": -1}, "capacity"),
        ):
            with pytest.raises(InvalidInput) as refusal:
                await world.server(**changes)
            assert refusal.value.field == field
        assert not await world.app.fleet.all()

    async def test_a_name_is_used_once(self, world: World) -> None:
        await world.server(name="one")
        with pytest.raises(AlreadyExists):
            await world.server(name="one")

    async def test_a_protocol_without_an_adapter(self, world: World) -> None:
        fleet = world.app.fleet
        bare = Fleet(
            storage=fleet.storage,
            protocols={},
            secrets=fleet.secrets,
            cached=fleet.cached,
            clock=fleet.clock,
            ids=fleet.ids,
            policy=fleet.policy,
        )
        draft = Draft(name="x", protocol=Protocol.V2RAY, country="NL", endpoint={"a": "b"})
        with pytest.raises(ProtocolOff):
            await bare.add(draft)
        with pytest.raises(NotFound):
            await bare.get(ServerId(world.out.ids.new()))


class TestHealth:
    async def test_each_change_is_told_once(self, world: World, server: Server) -> None:
        world.vpn.down(server.id)
        for _ in range(3):
            await probe(world)
            await world.out.clock.advance(60)
        down = await world.app.fleet.get(server.id)
        assert down.down_since == world.out.clock.now() - 3 * MINUTE
        world.vpn.up(server.id)
        await probe(world)
        await probe(world)
        assert (await world.app.fleet.get(server.id)).down_since is None
        assert world.alerts() == ["server.down", "server.up"]
        events = await world.events()
        assert (events[EventType.SERVER_DOWN], events[EventType.SERVER_UP]) == (1, 1)

    async def test_one_that_is_down_does_not_hide_the_others(self, world: World, server: Server) -> None:
        other = await world.server()
        world.vpn.down(server.id)
        health = {h.server_id: h for h in await world.app.fleet.status()}
        assert (health[server.id].healthy, health[server.id].milliseconds) == (False, None)
        assert "down" in health[server.id].error
        assert (health[other.id].healthy, health[other.id].version, health[other.id].error) == (True, "1", "")

    async def test_a_status_is_good_for_a_moment(self, world: World, server: Server) -> None:
        before = world.vpn.calls["probe"]
        await together(*(world.app.fleet.status() for _ in range(10)))
        assert world.vpn.calls["probe"] == before + 1
        await world.out.clock.advance(11)
        world.vpn.down(server.id)
        assert not (await world.app.fleet.status())[0].healthy

    async def test_a_disabled_server_is_not_probed(self, world: World, server: Server) -> None:
        await world.app.fleet.turn(server.id, ServerStatus.DISABLED)
        before = world.vpn.calls["probe"]
        await probe(world)
        assert await world.app.fleet.status() == []
        assert world.vpn.calls["probe"] == before

    async def test_a_server_whose_secrets_cannot_be_opened_is_down(self, world: World, server: Server) -> None:
        spoilt = Sealed(b"?")
        await world.out.storage.write(
            lambda uow: uow.servers.save(replace(uow.servers.lock(server.id), endpoint=spoilt))
        )
        (health,) = await world.app.fleet.status()
        assert not health.healthy

    async def test_a_probe_beside_an_operator_overwrites_nothing(self, world: World, server: Server) -> None:
        world.vpn.down(server.id)
        await together(probe(world), world.app.fleet.turn(server.id, ServerStatus.DRAINING))
        now = await world.app.fleet.get(server.id)
        assert now.status is ServerStatus.DRAINING


class TestTurning:
    async def test_it_changes_only_the_status(self, world: World, server: Server) -> None:
        assert (await world.app.fleet.turn(server.id, ServerStatus.DRAINING)).status is ServerStatus.DRAINING
        assert await world.app.fleet.turn(server.id, ServerStatus.ACTIVE) == server

    async def test_a_larger_one_serves_who_waits_and_a_smaller_one_keeps_its_keys(
        self, world: World, tariff: Tariff, ann: User, bob: User
    ) -> None:
        server = await world.server(capacity=1)
        orders = [await world.order(user, tariff) for user in (ann, bob)]
        for order in orders:
            await world.pay(order)
        await world.advance(HOUR)
        assert sorted([await world.status(order) for order in orders]) == [OrderStatus.FULFILLED, OrderStatus.PAID]
        await world.app.fleet.resize(server.id, 2)
        await world.advance(MINUTE)
        assert {await world.status(order) for order in orders} == {OrderStatus.FULFILLED}
        small = await world.app.fleet.resize(server.id, 0)
        await world.advance(HOUR)
        assert (small.capacity, small.free, len(world.remote(server))) == (0, 0, 2)
        await world.app.fleet.resize(server.id, 2)

    async def test_a_size_that_is_none_changes_nothing(self, world: World, server: Server) -> None:
        with pytest.raises(InvalidInput) as refusal:
            await world.app.fleet.resize(server.id, -1)
        assert refusal.value.field == "capacity"
        assert await world.app.fleet.get(server.id) == server

    async def test_an_unknown_server(self, world: World, ann: User) -> None:
        with pytest.raises(NotFound):
            await world.app.fleet.turn(ServerId(ann.id), ServerStatus.ACTIVE)
        world.vpn.fail_next(Unavailable())
