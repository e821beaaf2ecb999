"""The promised numbers, as a shop has them that was told none: 1 s, 10 s, 4 at once, 8 tries."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn, cast
from uuid import uuid4

import httpx
import pytest
from tests.adapters.payments.bodies import an_event, signed

from veilbot_adapters import memory
from veilbot_adapters.system import SystemClock
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.notifier import Alert
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.ports.vpn import Endpoint
from veilbot_runners import serving
from veilbot_runners.container import Container, open_container
from veilbot_runners.sandbox.certificate import self_signed
from veilbot_runners.sandbox.v2ray_server import Outage, V2RayServer
from veilbot_runners.settings import Settings, Stripe, load

SECRET = "whsec_of_the_defaults_0123"
SLACK = 8.0
"""Seconds that a busy machine may add."""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """What an operator must say, and not one number."""
    for name in [name for name in os.environ if name.startswith("VEILBOT_")]:
        monkeypatch.delenv(name)
    stripe = Stripe.model_validate({"secret_key": "sk_test_defaults", "webhook_secret": (SECRET,)})
    url = f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}"
    return load(env_file=None, database_url=url, stripe=stripe, allow_private_servers=True)


class SilentStorage(memory.MemoryStorage):
    """A database that takes everything and never says anything."""

    async def _begin(self) -> None:
        await asyncio.Event().wait()


class BrokenNotifier(memory.MemoryNotifier):
    """Fails by a fault of its own, whatever it is to tell."""

    tries = 0

    async def alert(self, alert: Alert) -> NoReturn:
        self.tries += 1
        raise RuntimeError(alert.code)


async def timed(work: Awaitable[object]) -> float:
    """Wait for what is not going to be answered; return how long that took, in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Unavailable):
        await work
    return loop.time() - began


async def test_a_webhook_is_answered_within_a_second(settings: Settings) -> None:
    clock = memory.MemoryClock()
    async with open_container(settings, storage=SilentStorage(memory.MemoryDoorbell(clock), clock)) as container:
        app = cast("Any", serving.make_api(settings, container, serving.MODULES, None))
        body, headers = signed(SECRET, an_event(), SystemClock())
        transport, loop = httpx.ASGITransport(app), asyncio.get_running_loop()
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
            began = loop.time()
            answer = await http.post("/webhooks/stripe", content=body, headers=headers)
            took = loop.time() - began
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert 0.95 < took < 1 + SLACK


@asynccontextmanager
async def outline() -> AsyncIterator[tuple[dict[str, str], Callable[[], int]]]:
    """Serve an Outline server that never answers; yield its settings, and who counts the calls that it has."""
    certificate, calls = self_signed(b"silent".ljust(32)), list[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        calls.append(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.context())
    address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    try:
        yield {"api_url": address, "cert_sha256": certificate.sha256}, lambda: len(calls)
    finally:
        server.close()
        for writer in calls:
            writer.transport.abort()


@asynccontextmanager
async def v2ray() -> AsyncIterator[tuple[dict[str, str], Callable[[], int]]]:
    """Serve a core that never answers."""
    core = V2RayServer("silent")
    await core.start()
    await core.play(Outage.HANG)
    given = {"api": core.api, "inbound": "in", "address": "127.0.0.1", "port": "443", "secret": "s" * 32}
    try:
        yield given, lambda: core.calls
    finally:
        await core.stop()


async def patience(container: Container, protocol: Protocol, given: dict[str, str]) -> list[float]:
    """Call a silent server eight times at once; return how long each call took, shortest first."""
    way = container.protocols()[protocol]
    endpoint = Endpoint(server_id=ServerId(uuid4()), settings=way.settings(given))
    return sorted(await asyncio.gather(*(timed(way.list(endpoint)) for _ in range(8))))


async def test_a_server_has_ten_seconds_and_four_calls_at_once(settings: Settings) -> None:
    """Eight come, four of them to the server; the others are told after a second that there is no place."""
    async with open_container(settings) as container, outline() as (one, calls), v2ray() as (other, more_calls):
        both = await asyncio.gather(
            patience(container, Protocol.OUTLINE, one), patience(container, Protocol.V2RAY, other)
        )
        assert (calls(), more_calls()) == (4, 4)
    for times in both:
        assert all(0.95 < seconds < 1 + SLACK for seconds in times[:4]), times
        assert all(9.9 < seconds < 10 + SLACK for seconds in times[4:]), times


async def test_a_job_is_tried_eight_times_before_it_is_dead(settings: Settings) -> None:
    clock, notifier = memory.MemoryClock(), BrokenNotifier()
    storage = memory.MemoryStorage(memory.MemoryDoorbell(clock), clock)
    async with open_container(settings, clock=clock, storage=storage, notifier=notifier) as container:
        work = container.application().work
        job = Job.ask(JobKind.ALERT, uuid4(), clock.now(), detail="order.held")

        def ask(uow: UnitOfWork) -> None:
            uow.jobs.ask(job)

        await storage.write(ask)
        for _ in range(20):
            for claimed in await work.claim(10):
                await work.run(claimed)
            await clock.advance(3600)
        [dead] = await work.dead(limit=10)
    assert (notifier.tries, dead.attempts, dead.kind, dead.error) == (8, 8, JobKind.ALERT, "RuntimeError")
