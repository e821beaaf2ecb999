"""Servers hang, and two hundred keys wait for them: nobody else notices, and they come when the servers are back."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tests.contracts.storage.things import a_key, a_subscription

from veilbot_core.application import Application
from veilbot_core.domain.ids import KeyId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import KeyState
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import open_container
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.outline_server import Outage
from veilbot_runners.settings import Timeout, load
from veilbot_runners.worker import Worker

MONTH = timedelta(days=30)
HANGING = ("a", "b", "c", "d")
WAITING = 50
"""Keys that wait for each."""
PATIENCE = 2.0
"""Seconds that a call to a server may take here."""


@dataclass
class Shop:
    """A shop whose worker runs, and its servers."""

    application: Application
    sandbox: OutlineSandbox
    asked: dict[KeyId, float] = field(default_factory=dict)
    took: dict[KeyId, float] = field(default_factory=dict)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0

    async def apply(self, job: Job) -> None:
        """Run the real handler with a watch in hand."""
        self.running += 1
        try:
            await self.application.provisioning.apply(job)
        finally:
            self.running -= 1
        key_id = KeyId(job.subject)
        self.came.set()
        self.took[key_id] = time.perf_counter() - self.asked[key_id]

    async def server(self, name: str) -> Server:
        it = self.sandbox.servers[name]
        endpoint = {"api_url": it.api_url, "cert_sha256": it.cert_sha256}
        draft = Draft(name=name, protocol=Protocol.OUTLINE, country="NL", endpoint=endpoint, capacity=10_000)
        return await self.application.fleet.add(draft)

    async def want(self, server: Server, count: int) -> Sequence[KeyId]:
        """Let keys be wanted on a server."""
        shop = self.application
        user = await shop.users.add("Ann")
        tariff = await shop.catalog.add(Terms(name=f"{server.name} {len(self.asked)}", days=30), {"USD": 499})

        def write(uow: UnitOfWork) -> Sequence[KeyId]:
            now, made = shop.clock.now(), []
            for _ in range(count):
                subscription = a_subscription(user, tariff, created_at=now, ends_at=now + MONTH, check_at=now + MONTH)
                key = replace(
                    a_key(subscription, server, created_at=now, changed_at=now),
                    desired=KeyState(present=True, limit=None),
                    placed=True,
                )
                uow.subscriptions.add(subscription)
                uow.keys.add(key)
                uow.jobs.ask(Job.ask(JobKind.APPLY_KEY, key.id, now))
                made.append(key.id)
                self.asked[key.id] = time.perf_counter()
            return made

        return await shop.storage.write(write)

    async def stream(self, server: Server, count: int) -> Sequence[float]:
        """Let one key after the other be wanted; return how long each took, the shortest first."""
        made: list[KeyId] = []
        for _ in range(count):
            made += await self.want(server, 1)
            await asyncio.sleep(0.005)
        await self.come(made, 5)
        return sorted(self.took[key_id] for key_id in made)

    async def come(self, keys: Sequence[KeyId], seconds: float) -> float:
        """Wait until keys are there; return how long that took."""
        began = time.perf_counter()
        async with asyncio.timeout(seconds):
            while not all(key_id in self.took for key_id in keys):
                await self.came.wait()
                self.came.clear()
        return time.perf_counter() - began


@asynccontextmanager
async def open_shop(database_url: str) -> AsyncIterator[Shop]:
    """Open a shop of which only the worker runs."""
    settings = load(
        env_file=None, database_url=database_url, allow_private_servers=True, timeout=Timeout(server=PATIENCE)
    )
    stop = asyncio.Event()
    async with OutlineSandbox(dict.fromkeys((*HANGING, "works"), 0)) as sandbox, open_container(settings) as container:
        application = container.application()
        shop = Shop(application, sandbox)
        handlers = {**application.work.handlers, JobKind.APPLY_KEY: shop.apply}
        shown = replace(application, work=replace(application.work, handlers=handlers))
        async with asyncio.TaskGroup() as group:
            group.create_task(Worker(application=shown, poll=0.2).run(stop))
            yield shop
            stop.set()


def ninth(took: Sequence[float]) -> float:
    """Return the time within which nine of ten were served."""
    return took[len(took) * 9 // 10]


async def test_servers_that_hang_hold_four_calls_each_and_nobody_else_waits(sqlite_url: str) -> None:
    async with open_shop(sqlite_url) as shop:
        works, hanging = await shop.server("works"), [await shop.server(name) for name in HANGING]
        await shop.stream(works, 20)
        calm = await shop.stream(works, 80)
        for name in HANGING:
            await shop.sandbox.play(name, Outage.HANG)
        keys = [key_id for server in hanging for key_id in await shop.want(server, WAITING)]
        await asyncio.sleep(2.5)  # one second until the silence is noticed, one more for who came just before
        slots, in_flight = list[int](), 0
        async with asyncio.TaskGroup() as group:
            streaming = group.create_task(shop.stream(works, 80))
            while not streaming.done():
                slots.append(shop.running)
                in_flight = max(in_flight, *(shop.sandbox.servers[name].connections for name in HANGING))
                await asyncio.sleep(0.01)
        assert in_flight <= 4
        assert statistics.median(slots) <= 24, "of the worker's 64"
        assert ninth(streaming.result()) < 2 * ninth(calm) + 0.5, "a wait for those that hang is a second and more"
        for name in HANGING:
            await shop.sandbox.play(name, Outage.NONE)
        assert await shop.come(keys, 30) < 20
        assert [len(shop.sandbox.servers[name].keys) for name in HANGING] == [WAITING] * 4
