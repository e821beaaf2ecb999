"""A thousand orders through Postgres and RabbitMQ while workers, and then the broker and Redis, die: each has its key.

The shop's processes are real, and so are Postgres, RabbitMQ and Redis; Stripe, Outline and the rest of the outside are
the sandbox's, whose own records are what is counted.
"""

import asyncio
import json
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from tests.journeys.world import World, eventually, open_world
from tests.peers.broker import outside
from tests.rabbit_server import PrivateBroker
from tests.redis_server import PrivateServer as PrivateRedis
from tests.redis_server import private_redis

from veilbot_core.application import Application
from veilbot_core.domain.ids import OrderId, UserId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import Key
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import open_application
from veilbot_runners.sandbox.stripe_things import Session
from veilbot_runners.sandbox.stripe_world import Payment
from veilbot_runners.settings import Settings, load

ORDERS = 1000
AT_ONCE = 6
WORKERS = 3
KILLS = 10
LISTENER = "veilbot.test.listener"
SLOW = 240.0
"""Seconds that a busy machine may need for all of them; a quiet one needs an eighth."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """A stocked shop, its customers' open orders, and everything that may be killed."""

    world: World
    shop: Application
    orders: Sequence[Order]
    broker: PrivateBroker
    redis: PrivateRedis

    def worker(self) -> subprocess.Popen[bytes]:
        return self.world.start("worker")

    async def pay(self, orders: Sequence[Order]) -> None:
        """Let customers pay, some at a time; the sandbox's Stripe tells the shop until it listens."""
        waiting = iter(orders)

        async def customer() -> None:
            for order in waiting:
                assert order.checkout_id is not None
                await self.world.sandbox.stripe.pay(order.checkout_id, Payment())

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(customer())

    async def keys(self, count: int) -> bool:
        """Whether so many keys are on the servers."""
        return len(self.world.keys()) >= count

    async def fulfilled(self) -> bool:
        """Whether no order waits for anything."""
        waits = (OrderStatus.PENDING, OrderStatus.PAID, OrderStatus.HELD)
        pages = [await self.shop.checkout.page(limit=1, status=status) for status in waits]
        return not any(pages)

    async def check(self) -> None:
        """Count, in the servers' own records and in the shop's: one key for each order, and every fact told."""
        there = self.world.keys()
        assert len(there) == len(set(there)) == len(self.orders)
        keys: list[Key] = []
        while page := await self.shop.subscriptions.keys(limit=100, after=keys[-1].id if keys else None):
            keys += page
        assert Counter(key.user_id for key in keys) == {order.user_id: 1 for order in self.orders}
        assert all(key.settled and key.desired.present for key in keys)
        assert not await self.shop.work.dead(limit=1)
        assert await self.facts() == {str(order.id) for order in self.orders}

    async def facts(self) -> set[str]:
        """Return the orders of which another system heard that they are fulfilled."""
        heard: set[str] = set()
        async with outside(self.broker.url) as channel:
            queue = await channel.declare_queue(LISTENER, passive=True)

            async def all_heard() -> bool:
                while message := await queue.get(no_ack=True, fail=False):
                    heard.add(json.loads(message.body)["subject"])
                return len(heard) >= len(self.orders)

            await eventually("the listener to hear everything", all_heard)
        return heard


@pytest.fixture
def redis() -> Iterator[PrivateRedis]:
    with private_redis() as server:
        yield server


@pytest.fixture
async def flow(
    tmp_path: Path, own_postgres_url: str, private: PrivateBroker, redis: PrivateRedis
) -> AsyncIterator[Flow]:
    """An open shop with a thousand orders that wait for their money, its API, and three workers."""
    async with outside(private.url) as channel:
        queue = await channel.declare_queue(LISTENER, durable=True)
        exchange = await channel.declare_exchange("veilbot.events", "topic", durable=True)
        await queue.bind(exchange, "order.fulfilled")
        await queue.purge()
    more = {
        "VEILBOT_BROKER_URL": private.url,
        "VEILBOT_REDIS_URL": redis.url,
        "VEILBOT_WORKER__LEASE_SECONDS": "12",
        "VEILBOT_WORKER__SLOTS": "16",
    }
    async with open_world(tmp_path, own_postgres_url) as opened:
        world = replace(opened, environment={**opened.environment, **more})
        async with open_application(_settings(world)) as shop:
            flow = Flow(world=world, shop=shop, orders=await _orders(world, shop), broker=private, redis=redis)
            world.start("api", "--modules", "webhooks")
            for _ in range(WORKERS):
                flow.worker()
            await world.ready()
            yield flow


async def test_workers_that_are_killed_all_the_time(flow: Flow) -> None:
    """Whenever so many more keys are there, the worker that runs longest is killed and another one is started."""
    async with asyncio.TaskGroup() as group:
        group.create_task(flow.pay(flow.orders))
        for count in range(ORDERS // KILLS // 2, ORDERS, ORDERS // KILLS):
            await eventually(f"{count} keys", partial(flow.keys, count), SLOW)
            oldest = next(one for one in flow.world.processes[1:] if one.poll() is None)
            await flow.world.stop(oldest, signal.SIGKILL)
            flow.worker()
    await eventually("every order to be fulfilled", flow.fulfilled, SLOW)
    assert [one.returncode for one in flow.world.processes].count(-signal.SIGKILL) == KILLS
    await flow.check()


async def test_a_broker_and_a_redis_that_die_in_mid_flow(flow: Flow) -> None:
    third = len(flow.orders) // 3
    parts = [flow.orders[start:end] for start, end in pairwise([0, third, 2 * third, len(flow.orders)])]
    async with asyncio.TaskGroup() as group:
        paying = group.create_task(flow.pay(parts[0]))
        await eventually("the first keys", partial(flow.keys, third // 2), SLOW)
        await asyncio.to_thread(flow.broker.kill)
        flow.redis.kill()
        await paying
        await flow.pay(parts[1])
        await eventually("every key without a broker", partial(flow.keys, 2 * third), SLOW)
        paying = group.create_task(flow.pay(parts[2]))
        flow.redis.start()
        await asyncio.to_thread(flow.broker.start)
    async with outside(flow.broker.url) as channel:
        await channel.declare_queue("veilbot.jobs", passive=True)
        await (await channel.get_queue("veilbot.jobs")).purge()
    await eventually("every order to be fulfilled", flow.fulfilled, SLOW)
    assert all(one.poll() is None for one in flow.world.processes)
    await flow.check()


def _settings(world: World) -> Settings:
    return load(
        env_file=None,
        env="test",
        database_url=world.environment["VEILBOT_DATABASE_URL"],
        encryption_keys=(world.made.encryption_key,),
        allow_private_servers=True,
    )


async def _orders(world: World, shop: Application) -> list[Order]:
    """Write customers with an open checkout each, as `Checkout.open` leaves them."""
    tariff = await shop.catalog.add(Terms(name="Month", days=30, traffic_limit=10**11), {"USD": 499})
    for name, server in world.sandbox.outline.servers.items():
        endpoint = {"api_url": server.api_url, "cert_sha256": server.cert_sha256}
        draft = Draft(name=name, protocol=Protocol.OUTLINE, country="NL", endpoint=endpoint, capacity=ORDERS)
        await shop.fleet.add(draft)
    now = shop.clock.now()
    users = [_user(UserId(shop.ids.new()), now) for _ in range(ORDERS)]
    made = [_order(shop, user, tariff) for user in users]

    def work(uow: UnitOfWork) -> None:
        for user, order in zip(users, made, strict=True):
            uow.users.add(user)
            uow.orders.add(order)
        uow.jobs.ask(*(Job.ask(JobKind.CLOSE_ORDER, order.id, now, due=order.expires_at) for order in made))

    await shop.storage.write(work)
    for order in made:
        world.sandbox.stripe.books.sessions[f"cs_test_{order.id.hex}"] = _page(order)
    return made


def _user(user_id: UserId, now: datetime) -> User:
    return User(id=user_id, telegram_id=None, name="a customer", language=Language.EN, created_at=now)


def _order(shop: Application, user: User, tariff: Tariff) -> Order:
    order = Order(
        id=OrderId(shop.ids.new()),
        user_id=user.id,
        tariff_id=tariff.id,
        terms=tariff.terms,
        price=tariff.price("USD"),
        provider=Provider.STRIPE,
        created_at=user.created_at,
        expires_at=user.created_at + timedelta(hours=1),
    )
    return order.offer(f"cs_test_{order.id.hex}", "https://example.com/pay")


def _page(order: Order) -> Session:
    """Return the checkout as the sandbox's Stripe knows it."""
    return Session(
        id=f"cs_test_{order.id.hex}",
        product="Month",
        currency="usd",
        amount=order.price.amount,
        reference=str(order.id),
        metadata={"order_id": str(order.id)},
        intent_metadata={"order_id": str(order.id)},
        success_url="https://example.com/paid",
        cancel_url="https://example.com/paid",
        url="https://example.com/pay",
        created=int(order.created_at.timestamp()),
        expires_at=int(order.expires_at.timestamp()),
    )
