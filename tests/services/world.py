"""A whole shop on memory adapters: the real services, a clock that stands, servers and a provider that obey."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.services.shop import Outside, build

from veilbot_adapters import memory
from veilbot_core.cached import customer
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import KeyId, OrderId
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.key import Key, lasting
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, Provider, Receipt
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.reconciling import Report
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Subscription
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import User
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.fleet import Draft
from veilbot_core.services.subscriptions import Holding

DAY, HOUR, MINUTE, SECOND = (timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes", "seconds"))
POLICY = Policy()


class Killed(BaseException):
    """The process died here."""


class World:
    """A shop, its customers and its servers, with the moves that the tests make."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.out = Outside.make(policy)
        self.app = build(self.out)
        self.gateway, self.vpn, self.notifier = self.out.gateway, self.out.vpn, self.out.notifier
        self._names = iter(range(1, 10_000))

    # Time and work

    async def settle(self) -> bool:
        """Do all that is due, side by side as a worker does; say whether it lived through it.

        When it dies (`Killed`), what it claimed stays claimed.
        """
        for _ in range(500):
            jobs = await self.app.work.claim(20)
            if not jobs:
                break
            if not await self._do(jobs):
                return False
        else:
            raise AssertionError("the shop does not come to rest")
        while await self.app.work.relay(100):
            pass
        return True

    async def _do(self, jobs: Sequence[Job]) -> bool:
        lived = True
        try:
            async with asyncio.TaskGroup() as group:
                for job in jobs:
                    group.create_task(self.app.work.run(job))
        except* Killed:
            lived = False
        return lived

    async def advance(self, by: timedelta) -> None:
        """Let time pass, stopping wherever a job is due or a subscription asks for something."""
        goal = self.out.clock.now() + by
        await self.settle()
        while True:
            moments = [goal, *(await self._moments())]
            stop = max(self.out.clock.now(), min(moments))
            await self.out.clock.advance((stop - self.out.clock.now()).total_seconds())
            await self.tick()
            if stop >= goal:
                return

    async def tick(self) -> None:
        """Do what the schedules do every half minute, then all that follows."""
        for kind in (JobKind.EXPIRE, JobKind.SWEEP):
            await self.app.work.handlers[kind](Job.ask(kind, EVERYTHING, self.out.clock.now()))
        await self.settle()

    async def _moments(self) -> list[Any]:
        def look(uow: UnitOfWork) -> list[Any]:
            checks = [s.check_at for s in uow.subscriptions.page(limit=1000)]
            now = self.out.clock.now()
            return [m for m in (uow.jobs.next_due(), *checks) if m is not None and m > now]

        return await self.out.storage.read(look)

    # People and things

    async def customer(self, telegram_id: int | None = None) -> User:
        number = telegram_id or 1000 + next(self._names)
        return await self.app.users.arrive(number, f"customer {number}", "en")

    async def tariff(self, *, prices: Mapping[str, int] | None = None, **terms: Any) -> Tariff:
        values: dict[str, Any] = {"name": "Month", "days": 30} | terms
        return await self.app.catalog.add(Terms(**values), prices or {"USD": 499})

    async def server(self, **changes: Any) -> Server:
        values = {
            "name": f"server {next(self._names)}",
            "protocol": Protocol.OUTLINE,
            "country": "NL",
            "endpoint": {"api_url": "https://server.example/secret-path"},
        }
        return await self.app.fleet.add(Draft(**values | changes))

    # What customers do

    async def order(self, user: User, tariff: Tariff, **wish: Any) -> Order:
        return await self.app.checkout.open(user.id, tariff.id, Provider.STRIPE, **wish)

    async def receive(self, webhook: memory.Webhook) -> Receipt:
        return await self.app.payments.receive(Provider.STRIPE, *webhook)

    async def pay(self, order: Order) -> Receipt:
        return await self.receive(self.gateway.pay(order.id))

    async def buy(self, user: User, tariff: Tariff, **wish: Any) -> Order:
        """Order, pay and wait until the shop has done what it can."""
        order = await self.order(user, tariff, **wish)
        await self.pay(order)
        await self.settle()
        return await self.app.checkout.get(order.id)

    async def refund(self, order: Order, amount: int | None = None) -> None:
        await self.app.payments.ask_refund(order.id, amount)
        await self.settle()

    async def reconcile(self, server: Server, *, dry_run: bool = False) -> Report:
        """Compare a server with what we want, a second after whatever changed last."""
        await self.out.clock.advance(1)
        return await self.app.provisioning.reconcile(server.id, dry_run=dry_run)

    # What there is to see

    async def look(self, order: Order) -> Order:
        return await self.app.checkout.get(order.id)

    async def status(self, order: Order) -> OrderStatus:
        return (await self.look(order)).status

    async def holding(self, user: User) -> Holding:
        """Return the only subscription of a customer."""
        (holding,) = await self.app.subscriptions.of_user(user.id)
        return holding

    async def subscription(self, user: User) -> Subscription:
        return (await self.holding(user)).subscription

    async def days_left(self, user: User) -> float:
        return ((await self.subscription(user)).ends_at - self.out.clock.now()) / DAY

    async def keys(self, user: User | None = None) -> Sequence[Key]:
        return await self.app.subscriptions.keys(limit=1000, user_id=user.id if user else None)

    async def key(self, user: User) -> Key:
        (key,) = await self.keys(user)
        return key

    def remote(self, server: Server) -> set[str]:
        """Return the names of the keys that a server really has."""
        vpn = self.vpn if server.protocol is Protocol.OUTLINE else self.out.v2ray
        return set(vpn.servers[server.id].keys)

    async def payments(self, order: Order) -> Sequence[Payment]:
        return await self.out.storage.read(lambda uow: uow.payments.of_order(order.id))

    async def events(self) -> Counter[EventType]:
        """Return the facts so far, counted."""
        waiting = await self.out.storage.read(lambda uow: uow.outbox.waiting(10_000))
        return Counter(event.type for event in [*self.out.bus.published, *waiting])

    def facts(self, kind: EventType) -> list[Event]:
        return [event for event in self.out.bus.published if event.type is kind]

    def alerts(self) -> list[str]:
        return [alert.code for alert in self.notifier.alerts]

    async def dead(self) -> Sequence[Job]:
        return await self.app.work.dead(limit=1000)

    async def change_order(self, order_id: OrderId, change: Callable[[Order], Order]) -> None:
        """Plant a state that a customer's path does not lead to."""
        await self.out.storage.write(lambda uow: uow.orders.save(change(uow.orders.lock(order_id))))

    async def ask(self, kind: JobKind, subject: UUID, detail: str = "") -> None:
        job = Job.ask(kind, subject, self.out.clock.now(), detail=detail)
        await self.out.storage.write(lambda uow: uow.jobs.ask(job))

    async def forget(self, job: Job) -> None:
        """Lose a claimed job, as no process should."""
        await self.out.storage.write(lambda uow: uow.jobs.finish(job))

    async def vip(self, user: User) -> User:
        """Make a customer a VIP, which no service does yet."""

        def work(uow: UnitOfWork) -> User:
            changed = replace(uow.users.lock(user.id), vip=True)
            uow.users.save(changed)
            return changed

        return await self.app.users.cached.write(work, customer(user.id))

    async def prove(self) -> None:
        """Check what must be true of every shop at every moment."""

        def look(uow: UnitOfWork) -> tuple[Sequence[Server], Sequence[Key], Sequence[Order]]:
            return uow.servers.all(), uow.keys.page(limit=10_000), uow.orders.page(limit=10_000)

        servers, keys, orders = await self.out.storage.read(look)
        taken = Counter(key.server_id for key in keys if key.placed)
        assert {s.id: s.reserved for s in servers} == {s.id: taken[s.id] for s in servers}, "places and keys disagree"
        assert all(s.reserved <= s.capacity for s in servers), "more keys than places"
        assert all(key.placed for key in keys if key.desired.present), "a wanted key without a place"
        wanted = Counter((key.subscription_id, key.protocol) for key in lasting(keys))
        assert all(count == 1 for count in wanted.values()), "two keys where one was paid for"
        for order in orders:
            if order.status is OrderStatus.FULFILLED:
                assert order.subscription_id is not None, "fulfilled with nothing"


async def together(*acts: Awaitable[Any]) -> list[Any]:
    """Do things side by side; return what they return or raise."""
    return await asyncio.gather(*acts, return_exceptions=True)


def ids(keys: Iterable[Key]) -> set[KeyId]:
    return {key.id for key in keys}
