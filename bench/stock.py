"""What a run needs before its clock starts: a stocked shop, customers with open orders, and signed webhooks."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from bench import client
from bench.world import World
from veilbot_adapters.database import migrate
from veilbot_core.application import Application
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId, UserId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.fleet import Draft
from veilbot_core.steps import about
from veilbot_runners.container import open_container
from veilbot_runners.sandbox.stripe_things import Session
from veilbot_runners.sandbox.stripe_webhooks import signature
from veilbot_runners.settings import Settings, Stripe, Telegram, load

_BATCH = 200
_PRICE = 499


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """One order that is about to be paid."""

    order_id: UUID
    chat: int
    event: str
    """What Stripe will say."""

    def webhook(self, path: str, secret: str) -> bytes:
        """Return the signed request, good for five minutes."""
        header = {"stripe-signature": signature(secret, self.event, int(time.time()))}
        return client.request(path, self.event.encode(), header)


def settings_of(world: World) -> Settings:
    """Return settings that reach the product's database from this process."""
    return load(
        env_file=None,
        env="test",
        database_url=world.database_url,
        allow_private_servers=True,
        encryption_keys=(world.made.encryption_key,),
        telegram=Telegram.model_validate(
            {"token": world.made.telegram_token, "api_base": f"{world.base}/sandbox/telegram"}
        ),
        stripe=Stripe.model_validate(
            {
                "secret_key": world.made.stripe_key,
                "webhook_secret": (world.made.webhook_secret,),
                "api_base": f"{world.base}/sandbox/stripe",
            }
        ),
    )


@asynccontextmanager
async def stocked(world: World) -> AsyncIterator[Application]:
    """Yield the services on the product's database, with one tariff and a place for everybody on three servers."""
    settings = settings_of(world)
    await migrate(settings.database_url)
    async with open_container(settings) as container:
        shop = container.application()
        if not await shop.catalog.all():
            await shop.catalog.add(Terms(name="Month", days=30, traffic_limit=100 * 10**9), {"USD": _PRICE})
            for name, server in world.sandbox.outline.servers.items():
                endpoint = {"api_url": server.api_url, "cert_sha256": server.cert_sha256}
                draft = Draft(name=name, protocol=Protocol.OUTLINE, country="NL", endpoint=endpoint, capacity=1_000_000)
                await shop.fleet.add(draft)
        yield shop


async def customers(world: World, shop: Application, count: int, first_chat: int) -> list[User]:
    """Make customers with a chat each."""
    made = [_customer(world, shop, first_chat + number) for number in range(count)]

    def work(batch: Sequence[User], uow: UnitOfWork) -> None:
        for user in batch:
            uow.users.add(user)

    for start in range(0, count, _BATCH):
        await shop.storage.write(partial(work, made[start : start + _BATCH]))
    return made


async def orders(world: World, shop: Application, count: int, first_chat: int, *, paid: bool = False) -> list[Purchase]:
    """Make customers with one open order each, as checkout leaves it; ``paid`` ones wait for the worker."""
    users = await customers(world, shop, count, first_chat)
    (tariff,) = await shop.catalog.all()
    purchases = []
    for start in range(0, count, _BATCH):
        placed = [(_order(shop, user, tariff), user) for user in users[start : start + _BATCH]]
        purchases += [_purchase(world, order, user) for order, user in placed]
        await shop.storage.write(partial(_place, shop, [order for order, _ in placed], paid))
    return purchases


def bare_purchases(world: World, count: int, first_chat: int) -> list[Purchase]:
    """Make purchases that only the skeleton will see."""
    purchases = []
    for chat in range(first_chat, first_chat + count):
        world.ear.open(chat, f"Customer {chat}")
        purchases.append(_event(world, UUID(int=chat), chat))
    return purchases


def _place(shop: Application, made: Sequence[Order], paid: bool, uow: UnitOfWork) -> None:  # noqa: FBT001 - partial
    """Write orders as `Checkout.open` does."""
    ids = shop.checkout.ids
    for order in made:
        uow.orders.add(order)
        uow.publish(about(ids, EventType.ORDER_CREATED, order, order.created_at, amount=_PRICE, currency="USD"))
        uow.jobs.ask(Job.ask(JobKind.CLOSE_ORDER, order.id, order.created_at, due=order.expires_at))
        if paid:
            uow.orders.save(order.pay(order.created_at))
            uow.publish(about(ids, EventType.ORDER_PAID, order, order.created_at))


def _customer(world: World, shop: Application, chat: int) -> User:
    world.ear.open(chat, f"Customer {chat}")
    now = shop.users.clock.now()
    name = f"Customer {chat}"
    return User(id=UserId(shop.users.ids.new()), telegram_id=chat, name=name, language=Language.EN, created_at=now)


def _order(shop: Application, user: User, tariff: Tariff) -> Order:
    now = shop.users.clock.now()
    order = Order(
        id=OrderId(shop.users.ids.new()),
        user_id=user.id,
        tariff_id=tariff.id,
        terms=tariff.terms,
        price=Money(amount=_PRICE, currency="USD"),
        provider=Provider.STRIPE,
        created_at=now,
        expires_at=now + timedelta(hours=1),
    )
    return order.offer(f"cs_test_{order.id.hex}", f"https://checkout.stripe.com/c/pay/cs_test_{order.id.hex}")


def _purchase(world: World, order: Order, user: User) -> Purchase:
    assert user.telegram_id is not None
    return _event(world, order.id, user.telegram_id)


def _event(world: World, order_id: UUID, chat: int) -> Purchase:
    """Let the sandbox's Stripe take the money; its webhook is kept for later."""
    books = world.sandbox.stripe.books
    now = int(time.time())
    session = Session(
        id=f"cs_test_{order_id.hex}",
        product="Month",
        currency="usd",
        amount=_PRICE,
        reference=str(order_id),
        metadata={"order_id": str(order_id), "chat": str(chat)},
        intent_metadata={"order_id": str(order_id)},
        success_url="https://example.com/paid",
        cancel_url="https://example.com/paid",
        url=f"https://checkout.stripe.com/c/pay/cs_test_{order_id.hex}",
        created=now,
        expires_at=now + 3600,
    )
    books.sessions[session.id] = session
    event = books.pay(session.id)
    books.events.clear()  # the shop asks for what webhooks did not tell, and would deliver before the clock starts
    return Purchase(order_id=order_id, chat=chat, event=event)
