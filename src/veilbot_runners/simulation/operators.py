"""Operators: who looks after the shop, now and then and when the trouble is over."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from uuid import UUID

from veilbot_core.application import Application
from veilbot_core.domain.ids import JobId, ServerId
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.server import ServerStatus
from veilbot_runners.simulation import refunds
from veilbot_runners.simulation.asking import patiently
from veilbot_runners.simulation.world import World

_MOVES, _DEAD = 0.6, 0.3
"""How often an operator empties a server, and then another one; and how often it is not to be called any more."""

_PLENTY = 100_000
"""Room for all keys of any run."""


class Operator:
    """Does by hand what the shop also does by itself."""

    def __init__(self, world: World, whim: Random) -> None:
        self._world, self._whim = world, whim
        self._requests = 0

    async def live(self) -> None:
        """Do one thing after another until the trouble is over."""
        acts = (self._reconcile, self._extend, self._drain, self._retry, self._requeue, self._open_all)
        while True:
            await asyncio.sleep(self._world.random.uniform(60, 2400))
            await self._world.random.choice(acts)()

    async def empty(self) -> None:
        """Move the keys of one server after another, in some runs; where to is up to the shop."""
        while self._whim.random() < _MOVES:
            await asyncio.sleep(self._whim.uniform(30, 1800))
            await self._open_all()
            server = self._whim.choice(self._world.servers)
            if self._whim.random() < _DEAD:
                await patiently(self._world, _turn(server.id, ServerStatus.DISABLED))
            await patiently(self._world, _move(server.id))

    async def tidy(self) -> None:
        """Do what alerts ask for: bring servers back, let dead work be tried again, and send failed refunds again."""
        await self._open_all()
        await self._requeue()
        await refunds.send_again(self._world)

    async def make_room(self) -> None:
        """Do what the alert about orders that wait for a place asks for."""
        for server in self._world.servers:
            if await patiently(self._world, _resize(server.id, _PLENTY), 20) is None:
                return
        self._world.truth.roomy = True

    async def _reconcile(self) -> None:
        server = self._world.random.choice(self._world.servers)
        dry = self._world.random.random() < 0.3
        await patiently(self._world, lambda app: app.provisioning.reconcile(server.id, dry_run=dry), 1)

    async def _extend(self) -> None:
        page = await patiently(self._world, lambda app: app.subscriptions.page(limit=100), 1)
        if not page:
            return
        chosen, days = self._world.random.choice(page), self._world.random.choice((1, 7))
        self._requests += 1
        request = UUID(int=self._requests)
        done = await patiently(self._world, lambda app: app.subscriptions.extend(chosen.id, days, request))
        if done is not None:
            self._world.truth.extended[str(request)] = days

    async def _drain(self) -> None:
        server = self._world.random.choice(self._world.servers)
        status = self._world.random.choice((ServerStatus.DRAINING, ServerStatus.DRAINING, ServerStatus.DISABLED))
        await patiently(self._world, _turn(server.id, status))

    async def _open_all(self) -> None:
        for server in self._world.servers:
            await patiently(self._world, _turn(server.id, ServerStatus.ACTIVE), 20)

    async def _retry(self) -> None:
        status = self._world.random.choice((OrderStatus.HELD, OrderStatus.PAID))
        page = await patiently(self._world, lambda app: app.checkout.page(limit=20, status=status), 1)
        if page:
            order = self._world.random.choice(page)
            self._world.truth.approved.add(order.id)
            await patiently(self._world, lambda app: app.fulfilment.retry(order.id), 1)

    async def _requeue(self) -> None:
        for job in await patiently(self._world, lambda app: app.work.dead(limit=100), 20) or ():
            await patiently(self._world, _requeue(job.id), 5)


def _move(server_id: ServerId) -> Callable[[Application], Awaitable[object]]:
    return lambda app: app.moving.ask(server_id)


def _turn(server_id: ServerId, status: ServerStatus) -> Callable[[Application], Awaitable[object]]:
    return lambda app: app.fleet.turn(server_id, status)


def _resize(server_id: ServerId, capacity: int) -> Callable[[Application], Awaitable[object]]:
    return lambda app: app.fleet.resize(server_id, capacity)


def _requeue(job_id: JobId) -> Callable[[Application], Awaitable[object]]:
    return lambda app: app.work.requeue(job_id)
