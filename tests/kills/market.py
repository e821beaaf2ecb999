"""A shop whose processes keep dying, and customers who do not care: they buy, renew, and want their money back."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from multiprocessing.process import BaseProcess

from tests.journeys.world import World, eventually
from tests.kills import nursery

from veilbot_core.application import Application
from veilbot_core.domain.errors import Conflict, PortError
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import Language
from veilbot_runners.container import open_container
from veilbot_runners.settings import Stripe, load

SETTINGS = {"VEILBOT_LIMIT__GRACE_HOURS": "0", "VEILBOT_LOG_LEVEL": "error"}
"""Refunded access ends at once; the logs of hundreds of processes are nobody's reading."""
API = ("api", "--modules", "webhooks")
WORKER = ("worker",)
PATIENCE = 300.0
_TIMES = int(os.environ.get("VEILBOT_TEST_KILLS") or "20")
ROUNDS = {"sqlite": _TIMES, "postgres": (_TIMES + 1) // 2}
"""How often a process dies at a point."""


@dataclass(kw_only=True)
class Buyer:
    """A customer who buys, and perhaps renews or is paid back, once each."""

    chat: int
    first: OrderId
    renewal: OrderId | None = None
    refunded: bool = False


@dataclass(kw_only=True)
class Market:
    """The customers, with a hand of the test in the shop's database; what they do reaches no process of the shop."""

    world: World
    shop: Application
    tariff: Tariff
    buyers: list[Buyer] = field(default_factory=list)
    processes: list[BaseProcess] = field(default_factory=list)
    deaths: int = 0

    def __post_init__(self) -> None:
        self._chats = count(2000)
        moves: tuple[Callable[[], Awaitable[None]], ...] = (self.buy, self.buy, self.renew, self.want_it_back)
        self._moves = cycle(moves)

    async def act(self) -> None:
        """Let somebody do something."""
        await next(self._moves)()

    async def grow(self, number: int) -> None:
        """Get happy customers, who can renew or want their money back, before anything dies."""
        for _ in range(number):
            await self.buy()

        async def look() -> bool:
            return len(await self.shop.checkout.page(limit=number, status=OrderStatus.FULFILLED)) == number

        await eventually("the first customers to be served", look, PATIENCE)

    async def buy(self) -> None:
        chat = next(self._chats)
        self.world.sandbox.telegram.chats.open(chat)
        user = await self.shop.users.add(f"Customer {chat}", chat, Language.EN)
        order = await self.shop.checkout.open(user.id, self.tariff.id, Provider.STRIPE)
        self.buyers.append(Buyer(chat=chat, first=order.id))
        self._pay(order)

    async def renew(self) -> None:
        """Renew what was delivered and never renewed; without that, buy."""
        found = await self._happy()
        if found is None:
            return await self.buy()
        buyer, first = found
        wish = self.shop.checkout.open
        order = await wish(first.user_id, self.tariff.id, Provider.STRIPE, subscription_id=first.subscription_id)
        buyer.renewal = order.id
        self._pay(order)
        return None

    async def want_it_back(self) -> None:
        """Ask for the money of a first order that was delivered; without that, buy."""
        found = await self._happy()
        if found is None:
            return await self.buy()
        buyer, first = found
        buyer.refunded = True
        while True:  # an operator whose answer is lost asks again
            try:
                await self.shop.payments.ask_refund(first.id)
            except Conflict:  # it was heard, and done
                return None
            except PortError:
                await asyncio.sleep(0.1)
            else:
                return None

    async def _happy(self) -> tuple[Buyer, Order] | None:
        for buyer in self.buyers:
            if buyer.renewal is None and not buyer.refunded:
                order = await self.shop.checkout.get(buyer.first)
                if order.status is OrderStatus.FULFILLED:
                    return buyer, order
        return None

    def _pay(self, order: Order) -> None:
        stripe = self.world.sandbox.stripe
        stripe.webhooks.send_soon(stripe.books.pay(str(order.checkout_id)))

    def figures(self) -> str:
        renewed, back = sum(b.renewal is not None for b in self.buyers), sum(b.refunded for b in self.buyers)
        return f"{len(self.buyers)} purchases, {renewed} renewals, {back} refunds, {len(self.there())} keys"

    def there(self) -> set[tuple[str, str]]:
        """Return the keys that servers have, as they tell themselves: server's name and key's id."""
        outline, cores = self.world.sandbox.outline.servers, self.world.sandbox.v2ray.servers
        users = {(name, user.email) for name, core in cores.items() for user in core.state.users["in"]}
        return {(name, key) for name, server in outline.items() for key in server.keys} | {
            (name, email.removesuffix("@veilbot")) for name, email in users
        }

    def said(self, buyer: Buyer) -> str:
        """Return all that a customer was told."""
        messages = self.world.sandbox.telegram.chats.all[buyer.chat].messages.values()
        return " ".join(f"{message.get('text') or ''}{message.get('caption') or ''}" for message in messages)

    def start(self, command: tuple[str, ...], failpoint: str = "") -> BaseProcess:
        settings = {**self.world.environment, **SETTINGS, "VEILBOT_FAILPOINT": failpoint}
        process = nursery.start(command, settings, self.world.log)
        self.processes.append(process)
        return process

    async def stop(self) -> None:
        """End what runs, in peace."""
        alive = [process for process in self.processes if process.exitcode is None]
        for process in alive:
            process.terminate()
        for process in alive:
            await asyncio.to_thread(process.join, PATIENCE)
        assert [process.exitcode for process in alive] == [0] * len(alive)

    def kill(self) -> None:
        """End what still runs, at once."""
        for process in self.processes:
            process.kill()
            process.join()

    async def listening(self, process: BaseProcess) -> None:
        """Wait until the API answers, or dies of a webhook that waited for it."""

        async def look() -> bool:
            return process.exitcode is not None or await self.world.answers()

        await eventually("the API to answer", look, PATIENCE)

    async def until_it_dies(self, process: BaseProcess, at_least: int) -> int | None:
        """Let customers come until the process is dead; return how it ended."""
        for number in count(1):
            assert number < 100, "it does not die"
            await self.act()
            if number >= at_least:
                await asyncio.to_thread(process.join, 0.4 if number < 20 else 5)
            if process.exitcode is not None:
                break
        self.deaths += 1
        return process.exitcode


@asynccontextmanager
async def open_market(world: World) -> AsyncIterator[Market]:
    """Yield a stocked shop of which nothing runs yet."""
    await world.stock()
    world.sandbox.stripe.webhooks._first_wait = 0.1  # a provider that comes again soon, or the matrix takes an hour
    made = world.made
    stripe = {"secret_key": made.stripe_key, "webhook_secret": (made.webhook_secret,)}
    settings = load(
        env_file=None,
        database_url=world.environment["VEILBOT_DATABASE_URL"],
        encryption_keys=(made.encryption_key,),
        allow_private_servers=True,
        stripe=Stripe.model_validate({**stripe, "api_base": f"{world.base}/sandbox/stripe"}),
    )
    async with open_container(settings) as container:
        shop = container.application()
        (tariff,) = await shop.catalog.all()
        market = Market(world=world, shop=shop, tariff=tariff)
        try:
            yield market
        finally:
            market.kill()
