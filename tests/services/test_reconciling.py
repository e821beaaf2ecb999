"""Making servers agree with what we want of them."""

from dataclasses import replace

import pytest
from tests.services.world import DAY, MINUTE, POLICY, World, ids

from veilbot_adapters.memory import MemoryServer
from veilbot_core.domain.errors import Conflict, NotFound
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.failpoints import Point
from veilbot_core.ports.vpn import RemoteKey


async def grown(world: World, tariff: Tariff, user: User, count: int) -> None:
    """Give a customer many subscriptions."""
    for _ in range(count):
        request = world.out.ids.new()
        await world.app.subscriptions.give(user.id, tariff.id, days=30, country=None, request=request)
    await world.settle()


class TestRepair:
    async def test_a_wiped_server_gets_its_keys_back(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await grown(world, tariff, ann, 3)
        before = world.remote(server)
        world.vpn.restart(server.id)
        report = await world.reconcile(server)
        assert (report.wanted, len(report.missing), report.surplus) == (3, 3, ())
        await world.settle()
        assert world.remote(server) == before
        assert (await world.reconcile(server)).agreed

    async def test_a_key_that_should_be_gone_is_taken_away(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        saved = dict(world.vpn.servers[server.id].keys)
        await world.advance(40 * DAY)
        world.vpn.servers[server.id].keys.update(saved)
        report = await world.reconcile(server)
        assert ids(await world.keys(ann)) == set(report.surplus)
        await world.settle()
        assert not world.remote(server)

    async def test_another_limit_is_put_right(self, world: World, server: Server, ann: User) -> None:
        await world.buy(ann, await world.tariff(traffic_limit=7))
        key = await world.key(ann)
        world.vpn.servers[server.id].keys[str(key.id)] = RemoteKey(id=str(key.id), limit=None)
        report = await world.reconcile(server)
        assert report.differing == (key.id,)
        await world.settle()
        assert world.vpn.servers[server.id].keys[str(key.id)].limit == 7

    async def test_foreign_keys_are_named_and_left_alone(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        world.vpn.servers[server.id].keys["7"] = RemoteKey(id="7", limit=None)
        await world.buy(ann, tariff)
        report = await world.reconcile(server)
        assert report.foreign == ("7",)
        await world.settle()
        await world.advance(40 * DAY)
        assert world.remote(server) == {"7"}

    async def test_a_dry_run_changes_nothing(self, world: World, server: Server, tariff: Tariff, ann: User) -> None:
        await world.buy(ann, tariff)
        world.vpn.restart(server.id)
        commits, calls = world.out.storage.commits, world.vpn.calls["issue"]
        assert not (await world.reconcile(server, dry_run=True)).agreed
        await world.settle()
        assert world.out.storage.commits == commits
        assert world.vpn.calls["issue"] == calls

    async def test_many_keys_are_read_page_by_page(self, world: World, tariff: Tariff, ann: User) -> None:
        server = await world.server(capacity=600)
        await grown(world, tariff, ann, 501)
        world.vpn.servers[server.id] = MemoryServer()
        assert len((await world.reconcile(server)).missing) == 501
        await world.settle()
        assert len(world.remote(server)) == 501


class TestTheCap:
    async def test_one_pass_removes_no_more_than_it_may(self) -> None:
        world = World(replace(POLICY, removals=2))
        server, ann = await world.server(), await world.customer()
        await grown(world, await world.tariff(days=1), ann, 5)
        await world.advance(40 * DAY)
        keys = await world.keys(ann)
        left = {str(key.id): RemoteKey(id=str(key.id), limit=None) for key in keys}
        world.vpn.servers[server.id].keys.update(left)
        counts = []
        for _ in range(3):
            await world.out.clock.advance(1)
            report = await world.reconcile(server)
            await world.settle()
            counts.append((len(report.surplus), report.withheld, len(world.remote(server))))
        assert counts == [(5, 3, 3), (3, 1, 1), (1, 0, 0)]
        await world.prove()


class TestWhileKeysChange:
    async def test_a_key_that_is_being_made_is_not_called_missing(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.app.subscriptions.give(ann.id, tariff.id, days=30, country=None, request=ann.id)
        report = await world.app.provisioning.reconcile(server.id)
        assert report.agreed
        await world.settle()
        assert world.vpn.calls["issue"] == 1

    async def test_a_pass_beside_a_renewal_leaves_the_key_in_place(
        self, world: World, server: Server, tariff: Tariff, ann: User
    ) -> None:
        await world.buy(ann, tariff)
        await world.out.clock.advance((31 * DAY + MINUTE).total_seconds())
        await world.app.expiry.run(None)  # type: ignore[arg-type]
        jobs = await world.app.work.claim(10)
        subscription = (await world.subscription(ann)).id
        acts = [world.app.work.run(job) for job in jobs]
        acts.append(world.reconcile(server))  # type: ignore[arg-type]
        for act in acts:
            await act
        await world.app.subscriptions.extend(subscription, 30, ann.id)
        await world.settle()
        assert len(world.remote(server)) == 1
        assert (await world.key(ann)).settled


class TestJobs:
    async def test_a_pass_over_all_asks_for_each_server_in_use(self, world: World) -> None:
        used = [await world.server(), await world.server()]
        hidden = await world.server()
        await world.app.fleet.turn(used[1].id, ServerStatus.DRAINING)
        await world.app.fleet.turn(hidden.id, ServerStatus.DISABLED)
        await world.app.provisioning.reconcile_all(None)  # type: ignore[arg-type]
        jobs = await world.app.work.claim(10)
        assert {job.subject for job in jobs} == {server.id for server in used}
        assert {job.kind for job in jobs} == {JobKind.RECONCILE_SERVER}

    async def test_a_server_that_was_disabled_meanwhile_is_left_alone(self, world: World, server: Server) -> None:
        calls = world.vpn.calls.total()
        await world.ask(JobKind.RECONCILE_SERVER, server.id)
        await world.app.fleet.turn(server.id, ServerStatus.DISABLED)
        await world.settle()
        assert world.vpn.calls.total() == calls
        with pytest.raises(Conflict, match="disabled"):
            await world.reconcile(server)

    async def test_an_unknown_server(self, world: World, ann: User) -> None:
        with pytest.raises(NotFound):
            await world.app.provisioning.reconcile(ann.id)  # type: ignore[arg-type]
        assert world.out.failpoints.passed[Point.BEFORE_CALL] == 0
