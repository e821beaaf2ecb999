"""Customers: what they want, and when."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

from veilbot_core.domain.ids import SubscriptionId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.user import User
from veilbot_runners.simulation import refunds, shelf
from veilbot_runners.simulation.asking import ask_back, patiently
from veilbot_runners.simulation.provider import Cashier
from veilbot_runners.simulation.world import World

_PAYS = ("pays",) * 10 + ("late", "late", "never", "never", "less", "currency", "twice", "fails first", "more")
_AFTER = ("",) * 10 + (
    "panel",
    "panel part",
    "dispute",
    "dispute won",
    "dispute lost",
    "blocks bot",
    "asks back",
    "asks back",
)

_REOPENED = 0.3
_DELAYED = ("",) * 8 + ("arrives", "fails")
_BOUNCES = ("",) * 3 + ("bounces", "bounces, part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What one customer does for one order, chosen by the seed and the order's number alone."""

    customer: int
    at: float
    tariff: int
    renews: bool
    taps: int
    pays: str
    thinks: float
    after: str
    later: float
    delayed: str
    """What becomes of money that is paid by a slow method: it arrives, or fails; empty for a fast one."""
    arrival: float
    """How long that takes, in seconds; an order stays open for half an hour."""
    reopened: bool
    """Whether a bank takes back that a dispute was won."""
    bounces: str
    """Whether money that was sent back does not arrive, and whether more is sent back before that is known."""

    @classmethod
    def roll(cls, seed: int, number: int, customers: int, span: float) -> "Story":
        """Tell it."""
        random = Random(f"{seed}/story/{number}")
        return cls(
            customer=random.randrange(customers),
            at=random.random() * span,
            tariff=shelf.choose(Random(f"{seed}/tariff/{number}"), random.randrange(3)),
            renews=random.random() < 0.6,
            taps=random.choice((1, 1, 1, 2, 3)),
            pays=random.choice(_PAYS),
            thinks=random.choice((1.0, 60.0, 1800.0)) * random.random(),
            after=random.choice(_AFTER),
            later=random.choice((1.0, 30.0, 600.0, 5000.0)) * random.random(),
            delayed=random.choice(_DELAYED),
            arrival=random.choice((60.0, 3600.0, 14400.0)) * random.random(),
            bounces=random.choice(_BOUNCES),
            reopened=Random(f"{seed}/reopened/{number}").random() < _REOPENED,
        )


class Customer:
    """Somebody who buys."""

    def __init__(self, world: World, cashier: Cashier) -> None:
        self._world, self._cashier = world, cashier

    async def live(self, story: Story) -> None:
        """Play a story to its end."""
        await asyncio.sleep(story.at)
        number = 1000 + story.customer
        user = await patiently(self._world, lambda app: app.users.arrive(number, f"customer {number}", "en"))
        if user is None:
            return
        orders = await self._tap(story, user)
        await asyncio.sleep(story.thinks)
        for order in orders:
            if story.pays == "pays" and story.delayed:
                await self._pay_slowly(story, order)
            else:
                await self._pay(story.pays, order)
        if orders and story.pays != "never":
            await asyncio.sleep(story.later)
            await self._regret(story, orders[0], user)

    async def _tap(self, story: Story, user: User) -> Sequence[Order]:
        """Ask for checkouts, several at once when the button is tapped again."""
        subscription = await self._known(user) if story.renews else None
        tariff = self._world.tariffs[story.tariff]
        found: dict[UUID, Order] = {}

        async def once() -> None:
            order = await patiently(
                self._world,
                lambda app: app.checkout.open(user.id, tariff.id, Provider.STRIPE, subscription_id=subscription),
            )
            if order is not None:
                self._world.truth.opened[order.id] = order.price
                found[order.id] = order

        async with asyncio.TaskGroup() as group:
            for _ in range(story.taps):
                group.create_task(once())
        return [order for _, order in sorted(found.items())]

    async def _known(self, user: User) -> SubscriptionId | None:
        holdings = await patiently(self._world, lambda app: app.subscriptions.of_user(user.id))
        return self._world.random.choice(holdings).subscription.id if holdings else None

    async def _pay(self, how: str, order: Order) -> None:
        world, cashier, price = self._world, self._cashier, order.price
        left = (order.expires_at - world.clock.now()).total_seconds()
        if how == "never":
            await asyncio.sleep(max(0.0, left))
            if world.random.random() < 0.7:
                cashier.expire(order)
            return
        if how == "late":
            await asyncio.sleep(max(0.0, left + world.random.uniform(-60, 3000)))
        if how == "fails first":
            cashier.fail(order)
            await asyncio.sleep(20)
        amounts = {"less": price.amount - 1, "more": price.amount + 1}
        currency = "EUR" if how == "currency" else price.currency
        money = Money(amount=amounts.get(how, price.amount), currency=currency)
        cashier.charge(order, money)
        if how == "twice":
            await asyncio.sleep(world.random.random() * 100)
            cashier.charge(order, again=True)

    async def _pay_slowly(self, story: Story, order: Order) -> None:
        """Pay by a method whose money is on its way for minutes or hours."""
        if not self._cashier.process(order):
            return
        await asyncio.sleep(story.arrival)
        if story.delayed == "arrives":
            self._cashier.arrive(order)
        else:
            self._cashier.bounce(order)

    async def _regret(self, story: Story, order: Order, user: User) -> None:
        world, cashier = self._world, self._cashier
        if story.after.startswith("panel"):
            cashier.give_back(order, 0.4 if story.after == "panel part" else 1.0)
        elif story.after.startswith("dispute"):
            cashier.dispute(order)
            await asyncio.sleep(story.later)
            if story.after != "dispute":
                cashier.dispute(order, won=story.after == "dispute won")
            if story.after == "dispute won" and story.reopened:
                await asyncio.sleep(story.later)
                cashier.dispute(order, won=False)
        elif story.after == "blocks bot":
            world.notifier.unreachable(user.id)
        elif story.after == "asks back":
            await ask_back(world, order, world.random.choice((None, 1, order.price.amount // 2)))
        if story.bounces and story.after in {"panel", "panel part", "asks back"}:
            await refunds.fail(world, cashier, order, story.later, part=story.bounces.endswith("part"))
