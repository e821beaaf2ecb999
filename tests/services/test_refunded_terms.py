"""What an upgrade gave goes with its money: the terms that are left are those of the last order that was kept."""

from tests.services.world import DAY, HOUR, MINUTE, World

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol
from veilbot_core.domain.user import User

GB = 10**9


def limits(world: World, server: Server) -> list[int | None]:
    """Return the traffic limits that a server keeps."""
    return [key.limit for key in world.vpn.servers[server.id].keys.values()]


async def test_an_upgrade_that_is_sent_back_is_no_upgrade(world: World, server: Server, ann: User) -> None:
    small = await world.tariff(name="small", days=300, traffic_limit=GB, prices={"USD": 1000})
    big = await world.tariff(name="big", days=1, prices={"USD": 100})
    await world.buy(ann, small)
    upgrade = await world.buy(ann, big, subscription_id=(await world.subscription(ann)).id)
    assert limits(world, server) == [None]
    await world.refund(upgrade)
    subscription = await world.subscription(ann)
    assert (subscription.tariff_id, subscription.terms) == (small.id, small.terms)
    assert limits(world, server) == [GB]
    assert await world.days_left(ann) == 300


async def test_a_part_of_its_money_leaves_the_upgrade(world: World, server: Server, ann: User) -> None:
    small = await world.tariff(name="small", days=30, traffic_limit=GB)
    big = await world.tariff(name="big", days=30, prices={"USD": 1000})
    await world.buy(ann, small)
    upgrade = await world.buy(ann, big, subscription_id=(await world.subscription(ann)).id)
    await world.refund(upgrade, 500)
    assert (await world.subscription(ann)).terms == big.terms
    assert limits(world, server) == [None]


async def test_an_older_order_that_is_sent_back_changes_no_terms(world: World, server: Server, ann: User) -> None:
    small = await world.tariff(name="small", days=30, traffic_limit=GB)
    big = await world.tariff(name="big", days=30, prices={"USD": 1000})
    first = await world.buy(ann, small)
    await world.buy(ann, big, subscription_id=(await world.subscription(ann)).id)
    await world.refund(first)
    assert (await world.subscription(ann)).terms == big.terms
    assert await world.days_left(ann) == 30
    assert len(world.remote(server)) == 1


async def test_a_protocol_that_is_sent_back_is_gone(world: World, server: Server, ann: User) -> None:
    second = await world.server(protocol=Protocol.V2RAY)
    one = await world.tariff(name="one", days=30)
    both = await world.tariff(name="both", days=30, protocols=(Protocol.OUTLINE, Protocol.V2RAY))
    await world.buy(ann, one)
    await world.advance(DAY)
    upgrade = await world.buy(ann, both, subscription_id=(await world.subscription(ann)).id)
    assert (len(world.remote(server)), len(world.remote(second))) == (1, 1)
    await world.refund(upgrade)
    assert (len(world.remote(server)), len(world.remote(second))) == (1, 0)


async def test_what_an_upgrade_left_stays_until_what_is_paid_for_has_a_place(
    world: World, server: Server, ann: User, bob: User
) -> None:
    """The upgrade had a key of another protocol, whose server is emptied while the old one's place is taken."""
    core = await world.server(protocol=Protocol.V2RAY)
    one = await world.tariff(name="one", days=30)
    other = await world.tariff(name="other", days=30, protocols=(Protocol.V2RAY,))
    await world.buy(ann, one)
    upgrade = await world.buy(ann, other, subscription_id=(await world.subscription(ann)).id)
    assert (len(world.remote(server)), len(world.remote(core))) == (0, 1)
    await world.app.fleet.resize(server.id, 1)
    await world.buy(bob, one)
    await world.refund(upgrade)
    await world.settle()
    world.notifier.alerts.clear()
    await world.app.moving.ask(core.id)
    await world.advance(20 * MINUTE)
    assert len(world.remote(core)) == 1
    assert "keys.stay" in world.alerts()
    await world.app.fleet.resize(server.id, 2)
    await world.advance(20 * MINUTE)
    assert (len(world.remote(server)), len(world.remote(core))) == (2, 0)


async def test_a_server_that_is_sent_back_is_left_when_another_has_a_place(world: World, ann: User, bob: User) -> None:
    plain = await world.server(capacity=1)
    premium = await world.server(group="premium")
    small = await world.tariff(name="plain", days=30, groups=("",))
    big = await world.tariff(name="premium", days=30, groups=("premium",))
    await world.buy(ann, small)
    upgrade = await world.buy(ann, big, subscription_id=(await world.subscription(ann)).id)
    await world.buy(bob, small)
    await world.refund(upgrade)
    assert (len(world.remote(plain)), len(world.remote(premium))) == (1, 1)
    assert world.alerts() == ["order.waiting"]
    await world.app.fleet.resize(plain.id, 2)
    await world.advance(5 * MINUTE)
    assert (len(world.remote(plain)), len(world.remote(premium))) == (2, 0)


async def test_a_key_that_went_with_its_money_is_told_to_nobody(world: World, server: Server, ann: User) -> None:
    """Telegram was away when it came, and until it had gone."""
    await world.server(protocol=Protocol.V2RAY)
    one = await world.tariff(name="one", days=30)
    other = await world.tariff(name="other", days=30, protocols=(Protocol.V2RAY,))
    await world.buy(ann, one)
    upgrade = await world.order(ann, other, subscription_id=(await world.subscription(ann)).id)
    await world.pay(upgrade)
    world.notifier.fail_next(Unavailable(retry_after=300.0), on="tell", times=6)
    await world.settle()
    await world.refund(upgrade)
    await world.advance(2 * HOUR)
    assert len(world.remote(server)) == 1
    told = [key.name for message in world.notifier.told_to(ann.id) for key in message.keys]
    assert set(told) == {server.name}
