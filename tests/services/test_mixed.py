"""One tariff on two protocols: sold, delivered, renewed and ended as one thing."""

from dataclasses import dataclass

import pytest
from tests.services.world import DAY, HOUR, MINUTE, World, ids

from veilbot_core.domain.errors import NoCapacity, Rejected
from veilbot_core.domain.events import EventType
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Notice

BOTH = (Protocol.OUTLINE, Protocol.V2RAY)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A server of each protocol."""

    outline: Server
    xray: Server


@pytest.fixture
async def pair(world: World) -> Pair:
    return Pair(
        outline=await world.server(capacity=2),
        xray=await world.server(protocol=Protocol.V2RAY, country="DE", capacity=2),
    )


@pytest.fixture
async def both(world: World) -> Tariff:
    return await world.tariff(name="Both", protocols=BOTH)


def there(world: World, pair: Pair) -> list[int]:
    """Count the keys that the servers really have."""
    return [len(world.remote(pair.outline)), len(world.remote(pair.xray))]


async def test_its_whole_life(world: World, pair: Pair, both: Tariff, ann: User) -> None:
    order = await world.buy(ann, both)
    assert order.status is OrderStatus.FULFILLED
    keys = ids(await world.keys(ann))
    assert there(world, pair) == [1, 1]
    assert len(keys) == 2
    ready = world.notifier.told_to(ann.id)[-1]
    assert (ready.notice, len(ready.keys)) == (Notice.READY, 2)

    await world.advance(29 * DAY)
    subscription = await world.subscription(ann)
    renewed = await world.buy(ann, both, subscription_id=subscription.id)
    assert renewed.status is OrderStatus.FULFILLED
    assert await world.days_left(ann) == pytest.approx(31)
    assert ids(await world.keys(ann)) == keys
    assert there(world, pair) == [1, 1]
    assert world.notifier.notices_of(ann.id).count(Notice.RENEWED) == 1

    await world.advance(31 * DAY + HOUR)
    holding = await world.holding(ann)
    assert (holding.standing, len(holding.keys)) == (Standing.GRACE, 2)
    await world.advance(DAY)
    holding = await world.holding(ann)
    assert (holding.standing, len(holding.keys)) == (Standing.EXPIRED, 0)
    assert there(world, pair) == [0, 0]
    assert (await world.events())[EventType.KEY_EXPIRED] == 2

    back = await world.buy(ann, both, subscription_id=subscription.id)
    assert back.status is OrderStatus.FULFILLED
    assert ids(await world.keys(ann)) == keys
    assert there(world, pair) == [1, 1]
    assert (await world.holding(ann)).link == holding.link


async def test_it_is_ready_when_the_last_key_is(world: World, pair: Pair, both: Tariff, ann: User) -> None:
    world.out.v2ray.down(pair.xray.id)
    order = await world.order(ann, both)
    await world.pay(order)
    await world.settle()
    assert await world.status(order) is OrderStatus.PAID
    holding = await world.holding(ann)
    assert (len(holding.keys), holding.coming) == (1, 1)
    assert Notice.READY not in world.notifier.notices_of(ann.id)
    world.out.v2ray.up(pair.xray.id)
    await world.advance(5 * MINUTE)
    assert await world.status(order) is OrderStatus.FULFILLED
    assert world.notifier.notices_of(ann.id).count(Notice.READY) == 1
    assert there(world, pair) == [1, 1]


async def test_half_of_it_is_not_sold(world: World, both: Tariff, ann: User) -> None:
    await world.server(capacity=2)
    with pytest.raises(NoCapacity):
        await world.order(ann, both)
    assert not await world.keys(ann)


async def test_a_refund_takes_both_keys(world: World, pair: Pair, both: Tariff, ann: User) -> None:
    order = await world.buy(ann, both)
    await world.advance(10 * DAY)
    await world.refund(order)
    assert there(world, pair) == [0, 0]


async def test_a_renewal_may_add_a_protocol(world: World, pair: Pair, tariff: Tariff, both: Tariff, ann: User) -> None:
    await world.buy(ann, tariff)
    [first] = await world.keys(ann)
    assert there(world, pair) == [1, 0]
    order = await world.buy(ann, both, subscription_id=(await world.subscription(ann)).id)
    assert order.status is OrderStatus.FULFILLED
    assert first.id in ids(await world.keys(ann))
    assert there(world, pair) == [1, 1]


async def test_one_server_that_refuses_is_told_and_the_other_key_works(
    world: World, pair: Pair, both: Tariff, ann: User
) -> None:
    world.out.v2ray.fail_next(Rejected("no such inbound"), on="issue", times=2)
    await world.buy(ann, both)
    await world.advance(MINUTE)
    holding = await world.holding(ann)
    assert (len(holding.keys), holding.coming) == (1, 1)
    assert there(world, pair) == [1, 0]
    assert "key.refused" in world.alerts()
