"""A core that restarts forgets everybody; the shop notices, brings its own back, and touches no one else."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.contracts.storage.things import a_key, a_subscription
from tests.peers.client import app
from tests.peers.cores import Core, ended, free_port, inbound, page, server_config

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_core.application import Application
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.key import Key, KeyState
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.domain.user import Language
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.ports.vpn import Endpoint
from veilbot_core.services.fleet import Draft
from veilbot_runners.container import Container

FOREIGN = {"id": "7d2f6cf3-6f0c-4b7e-8f0e-4d2a1c9b5e10", "email": "family@home"}
MANY = 10_000


@pytest.fixture(params=["v2ray", "xray"])
async def core(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Core]:
    """A VLESS server with one user whom its operator put into the configuration."""
    api, port = free_port(), free_port()
    door: Any = inbound(request.param, "vless", port)
    door["settings"]["clients"].append(FOREIGN)
    config = server_config(request.param, api, door)
    made = Core(flavour=request.param, config=config, folder=tmp_path, listens=api)
    with ended(made):
        yield await made.up()


async def added(shop: Application, core: Core, capacity: int) -> Server:
    inbounds = core.config["inbounds"]
    endpoint = {
        "api": f"127.0.0.1:{inbounds[0]['port']}",
        "inbound": "in",
        "address": "127.0.0.1",
        "port": str(inbounds[1]["port"]),
    }
    draft = Draft(name=core.flavour, protocol=Protocol.V2RAY, country="DE", endpoint=endpoint, capacity=capacity)
    return await shop.fleet.add(draft)


async def sold(shop: Application, server: Server, count: int) -> Sequence[Key]:
    """Write keys into the books that were sold an hour ago."""
    user = await shop.users.add("Ann", None, Language.EN)
    tariff = await shop.catalog.add(Terms(name="Month", days=30, protocols=(Protocol.V2RAY,)), {"USD": 499})
    then = shop.work.clock.now() - timedelta(hours=1)
    there = KeyState(present=True, limit=10**9)
    keys: list[Key] = []

    def write(uow: UnitOfWork) -> None:
        for _ in range(500):
            subscription = a_subscription(user, tariff, created_at=then)
            key = replace(
                a_key(subscription, server, created_at=then),
                desired=there,
                observed=there,
                placed=True,
                changed_at=then,
                access_url=Sealed(b"sold"),
            )
            uow.subscriptions.add(subscription)
            uow.keys.add(key)
            keys.append(key)

    for _ in range(count // 500):
        await shop.storage.write(write)
    return keys


async def test_ten_thousand_users_are_back_within_a_minute(core: Core, container: Container) -> None:
    shop = container.application()
    server = await added(shop, core, MANY)
    await sold(shop, server, MANY)
    vpn = container.protocols()[Protocol.V2RAY]
    endpoint = Endpoint.of(server, container.secrets())
    for attempt in ("first", "again"):
        if attempt == "again":
            await core.restart()
        began, cpu = time.monotonic(), time.process_time()
        async with asyncio.timeout(600):  # on a machine that does nothing else it is a tenth of a minute
            report = await shop.provisioning.reconcile(server.id)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        print(f"{core.flavour}: {attempt} {MANY} users in {took:.1f} s")  # noqa: T201 (it is a measurement)
        assert len(report.missing) == MANY
        assert cpu < 300
        found = await vpn.list(endpoint)
        if isinstance(found, Mapping):
            assert len(found) == MANY + 1
            assert "family@home" in found
    unsettled = await shop.storage.read(lambda uow: uow.keys.unsettled(10, shop.work.clock.now()))
    assert unsettled == []
    await takes_leave(core, "family@home")


async def takes_leave(core: Core, name: str) -> None:
    """Remove a user by hand, which fails if there is none."""
    root = {"v2ray": "v2ray.core", "xray": "xray"}[core.flavour]
    operation = pb.RemoveUserOperation(email=name).SerializeToString()
    typed = pb.TypedMessage(type=f"{root}.app.proxyman.command.RemoveUserOperation", value=operation)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{core.listens}") as channel:
        alter = channel.unary_unary(f"/{root}.app.proxyman.command.HandlerService/AlterInbound")
        await alter(pb.AlterInboundRequest(tag="in", operation=typed).SerializeToString(), timeout=60)


async def work(shop: Application) -> None:
    """Do what is due."""
    while jobs := [job for job in await shop.work.claim(20) if job.kind is not JobKind.PROBE]:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(shop.work.run(job))


async def test_the_next_look_brings_a_customer_back_and_the_ledger_keeps_counting(
    core: Core, container: Container, tmp_path: Path
) -> None:
    shop = container.application()
    server = await added(shop, core, 10)
    user = await shop.users.add("Ann", None, Language.EN)
    tariff = await shop.catalog.add(Terms(name="Month", days=30, protocols=(Protocol.V2RAY,)), {"USD": 499})
    request = container.ids().new()
    subscription = await shop.subscriptions.give(user.id, tariff.id, days=30, country=None, request=request)
    await work(shop)

    async def key() -> Key:
        found = await shop.storage.read(lambda uow: uow.keys.of_subscriptions([subscription.id]))
        return found[0]

    made = await key()
    assert made.access_url is not None
    url = container.secrets().open(made.access_url, made.id)
    async with page() as site, app(url, core.flavour, tmp_path, site=site) as phone:
        assert await phone.eventually_reads()
        await shop.provisioning.reconcile(server.id)
        first = (await key()).used
        assert first > 0
        await core.restart()
        assert not await phone.reads()
        probe = Job.ask(JobKind.PROBE, EVERYTHING, shop.work.clock.now())
        await shop.work.handlers[JobKind.PROBE](probe)
        await work(shop)
        assert await phone.eventually_reads()
        await shop.provisioning.reconcile(server.id)
        assert (await key()).used > first
