"""Servers hang, and two hundred keys wait for them: nobody else notices, and they come when the servers are back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

from tests.contracts.storage.things import a_key, a_subscription
from tests.waiting import PATIENCE, until

from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_core.application import Application
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.ids import KeyId
from veilbot_core.domain.jobs import SCHEDULES, Job, JobKind
from veilbot_core.domain.key import KeyState
from veilbot_core.domain.policy import Policy
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
FOR_EVER = timedelta(hours=1)
"""How long a call to a server may take here, and its job: no call to one that hangs ends before the outage does."""


@dataclass
class Shop:
    """A shop whose worker runs, and its servers."""

    application: Application
    sandbox: OutlineSandbox
    came: set[KeyId] = field(default_factory=set)
    refused: set[KeyId] = field(default_factory=set)

    async def apply(self, job: Job) -> None:
        """Run the real handler and note who came, and who was told to come again."""
        key_id = KeyId(job.subject)
        try:
            await self.application.provisioning.apply(job)
        except Unavailable:
            self.refused.add(key_id)
            raise
        self.came.add(key_id)

    async def server(self, name: str) -> Server:
        it = self.sandbox.servers[name]
        endpoint = {"api_url": it.api_url, "cert_sha256": it.cert_sha256}
        draft = Draft(name=name, protocol=Protocol.OUTLINE, country="NL", endpoint=endpoint, capacity=10_000)
        return await self.application.fleet.add(draft)

    async def want(self, server: Server, count: int) -> Sequence[KeyId]:
        """Let keys be wanted on a server."""
        shop = self.application
        user = await shop.users.add("Ann")
        tariff = await shop.catalog.add(Terms(name=str(shop.ids.new()), days=30), {"USD": 499})

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
            return made

        return await shop.storage.write(write)

    async def play(self, outage: Outage) -> None:
        for name in HANGING:
            await self.sandbox.play(name, outage)

    def asked(self) -> Sequence[int]:
        """How many requests each server that hangs has had."""
        return [self.sandbox.servers[name].requests for name in HANGING]

    def line(self, server: Server) -> int:
        """How many callers stand in the line before a server; each holds a slot of the worker."""
        outline = cast("OutlineProtocol", self.application.provisioning.protocols[Protocol.OUTLINE])
        return outline._guards.get(f"Outline server {server.id}")._bulkhead._waiting


async def nothing(_: Job) -> None:
    """Look at no server: a probe would take a place of the four for a while."""


@asynccontextmanager
async def open_shop(database_url: str) -> AsyncIterator[Shop]:
    """Open a shop of which only the worker runs."""
    timeout = Timeout(server=FOR_EVER.total_seconds())
    settings = load(env_file=None, database_url=database_url, allow_private_servers=True, timeout=timeout)
    policy = Policy(lease=2 * FOR_EVER, every=dict.fromkeys(SCHEDULES, FOR_EVER))
    stop = asyncio.Event()
    async with (
        OutlineSandbox(dict.fromkeys((*HANGING, "works"), 0)) as sandbox,
        open_container(settings, policy=policy) as container,
    ):
        application = container.application()
        shop = Shop(application, sandbox)
        handlers = {**application.work.handlers, **dict.fromkeys(SCHEDULES, nothing), JobKind.APPLY_KEY: shop.apply}
        shown = replace(application, work=replace(application.work, handlers=handlers))
        async with asyncio.TaskGroup() as group:
            group.create_task(Worker(application=shown, poll=0.2).run(stop))
            try:
                yield shop
            finally:
                await shop.play(Outage.NONE)
                stop.set()


async def test_servers_that_hang_hold_four_calls_each_and_nobody_else_waits(sqlite_url: str) -> None:
    async with open_shop(sqlite_url) as shop:
        works, hanging = await shop.server("works"), [await shop.server(name) for name in HANGING]
        await shop.play(Outage.HANG)
        before = shop.asked()
        keys = [key_id for server in hanging for key_id in await shop.want(server, WAITING)]
        four_each = [count + 4 for count in before]
        await until(lambda: shop.asked() == four_each)
        await until(lambda: len(shop.refused) == len(keys) - 4 * len(HANGING))  # by then their silence was noticed
        await until(lambda: not any(map(shop.line, hanging)))
        for _ in range(40):
            served = set(await shop.want(works, 1))
            await until(lambda served=served: served <= shop.came)  # type: ignore[misc]
            assert not any(map(shop.line, hanging)), "who waits for those that hang holds a slot of all"
        assert shop.asked() == four_each
        assert not shop.came & set(keys)
        await shop.play(Outage.NONE)
        await until(lambda: shop.came >= set(keys), 3 * PATIENCE)  # those that failed often rest for a minute
        assert [len(shop.sandbox.servers[name].keys) for name in HANGING] == [WAITING] * 4
