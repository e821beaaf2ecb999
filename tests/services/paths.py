"""What a shop is asked to do between a webhook, or an operator's wish, and a message: the paths, and their points."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.services.world import DAY, World

from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User
from veilbot_core.ports.failpoints import Point
from veilbot_core.ports.notifier import Notice


@dataclass(frozen=True, kw_only=True)
class Move:
    """Something that is about to happen, and what must be true when all of it has."""

    order: Order
    act: Callable[[], Awaitable[object]]
    """What the provider or the operator does, until it is answered."""
    status: OrderStatus = OrderStatus.FULFILLED
    keys: int = 1
    stays: bool = True
    """Whether a key is where it was."""
    days: int = 30
    notice: Notice = Notice.READY


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A world with one server, one tariff, one customer."""

    world: World
    server: Server
    tariff: Tariff
    user: User

    async def bought(self) -> Order:
        return await self.world.buy(self.user, self.tariff)

    def paid(self, order: Order) -> Callable[[], Awaitable[object]]:
        webhook = self.world.gateway.pay(order.id)
        return lambda: self.world.receive(webhook)


async def purchase(shop: Shop) -> Move:
    order = await shop.world.order(shop.user, shop.tariff)
    return Move(order=order, act=shop.paid(order))


async def renewal(shop: Shop) -> Move:
    """The key is there and stays as it is: no server is called."""
    first = await shop.bought()
    order = await shop.world.order(shop.user, shop.tariff, subscription_id=first.subscription_id)
    return Move(order=order, act=shop.paid(order), days=60, notice=Notice.RENEWED)


async def return_of_a_customer(shop: Shop) -> Move:
    """The key went when the time was over, and comes back."""
    first = await shop.bought()
    await shop.world.advance(40 * DAY)
    assert not shop.world.remote(shop.server)
    order = await shop.world.order(shop.user, shop.tariff, subscription_id=first.subscription_id)
    return Move(order=order, act=shop.paid(order), notice=Notice.RENEWED)


async def refund(shop: Shop) -> Move:
    order = await shop.bought()
    payments = shop.world.app.payments

    async def ask() -> None:
        await payments.ask_refund(order.id)

    return Move(order=order, act=ask, status=OrderStatus.REFUNDED, keys=0, days=0, notice=Notice.REFUNDED)


async def refund_by_the_provider(shop: Shop) -> Move:
    """Made in the provider's own panel, so that only a webhook tells of it."""
    order, gateway = await shop.bought(), shop.world.gateway
    webhook = gateway.give_back(order.id)

    async def tell() -> None:
        await shop.world.receive(webhook)

    return Move(order=order, act=tell, status=OrderStatus.REFUNDED, keys=0, days=0, notice=Notice.REFUNDED)


async def migration(shop: Shop) -> Move:
    """An operator empties the server; there is another one."""
    order, world = await shop.bought(), shop.world
    await world.server(capacity=10)

    async def ask() -> None:
        await world.app.moving.ask(shop.server.id)

    return Move(order=order, act=ask, stays=False, notice=Notice.MOVED)


Path = Callable[[Shop], Awaitable[Move]]
WEBHOOK = frozenset({Point.REQUEST_READ, Point.VERIFIED, Point.WRITTEN, Point.COMMITTED})
RELAY = frozenset({Point.EVENT_CLAIMED, Point.PUBLISHED})
CALL = frozenset({Point.BEFORE_CALL, Point.CALLED, Point.ANSWERED, Point.APPLIED})
MESSAGE = frozenset({Point.TOLD, Point.RECORDED})
PATHS: dict[Path, frozenset[Point]] = {
    purchase: frozenset(Point),
    renewal: WEBHOOK | RELAY | MESSAGE | {Point.ORDER_CLAIMED, Point.APPLIED},
    return_of_a_customer: frozenset(Point),
    refund: RELAY | CALL | MESSAGE | {Point.ORDER_CLAIMED},
    refund_by_the_provider: WEBHOOK | RELAY | CALL | MESSAGE,
    migration: RELAY | CALL | MESSAGE | {Point.ORDER_CLAIMED},
}
"""Which points each path passes."""
