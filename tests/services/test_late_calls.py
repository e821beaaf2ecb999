"""A worker that stood still beyond its lease, and whose call reaches a server after that of the next worker.

At a V2Ray that cannot list its keys, nobody could see what such a call did.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.services.world import DAY, MINUTE, POLICY, World

from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Subscription
from veilbot_core.domain.tariff import Protocol
from veilbot_core.domain.user import User


@pytest.fixture
async def server(world: World) -> Server:
    world.out.v2ray._lists = False
    return await world.server(protocol=Protocol.V2RAY)


@pytest.fixture
async def subscription(world: World, server: Server, ann: User) -> Subscription:
    tariff = await world.tariff(protocols=(server.protocol,))
    given = world.app.subscriptions.give(ann.id, tariff.id, days=30, country=None, request=world.out.ids.new())
    return await given


@asynccontextmanager
async def standing_still(world: World) -> AsyncIterator[None]:
    """Let a worker claim a key, and stand still before its call, until what is done meanwhile is done."""
    (job,) = [job for job in await world.app.work.claim(9) if job.kind is JobKind.APPLY_KEY]
    vpn, calling, awake = world.out.v2ray, asyncio.Event(), asyncio.Event()
    others = vpn._pause

    async def stand_still() -> None:
        vpn._pause = others
        calling.set()
        await awake.wait()

    vpn._pause = stand_still
    async with asyncio.TaskGroup() as group:
        group.create_task(world.app.work.run(job))
        await calling.wait()
        await world.out.clock.advance(POLICY.lease.total_seconds())
        yield
        awake.set()


@pytest.mark.usefixtures("subscription")
async def test_a_key_that_was_put_there_too_late_goes_again(world: World, server: Server, ann: User) -> None:
    async with standing_still(world):
        await world.settle()
        assert len(world.remote(server)) == 1
        await world.advance(40 * DAY)
        assert not world.remote(server)
    assert world.remote(server), "the late call has put it back"
    await world.advance(5 * MINUTE)
    assert not world.remote(server)
    assert (await world.key(ann)).settled


async def test_a_key_that_was_taken_away_too_late_comes_back(
    world: World, server: Server, subscription: Subscription, ann: User
) -> None:
    await world.settle()
    await world.out.clock.advance(40 * DAY.total_seconds())
    await world.app.expiry.run(None)  # type: ignore[arg-type]
    async with standing_still(world):
        await world.settle()
        await world.app.subscriptions.extend(subscription.id, 30, world.out.ids.new())
        await world.settle()
        assert len(world.remote(server)) == 1
    assert not world.remote(server), "the late call has taken it away"
    await world.advance(5 * MINUTE)
    assert len(world.remote(server)) == 1
    assert (await world.holding(ann)).coming == 0
