"""A local Stripe over real HTTP, with an ear for its webhooks; and orders to pay for."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from litestar import Litestar, Request, Response, post
from tests.waiting import PATIENCE

from veilbot_adapters.payments.stripe import StripeGateway
from veilbot_adapters.resilience import Guard, Limits
from veilbot_adapters.system import SystemClock, SystemIds
from veilbot_core.domain.ids import OrderId, TariffId, UserId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Terms
from veilbot_core.ports.clock import Clock
from veilbot_runners.sandbox.stripe import StripeSandbox, stripe_router

SECRET_KEY = "sk_test_canary_51Nq7w"
WEBHOOK_SECRET = "whsec_canary_9f8e7d"
CLOCK = SystemClock()
IDS = SystemIds(CLOCK)

Heard = tuple[bytes, Mapping[str, str]]


@dataclass
class ServedStripe:
    """The sandbox, where it is served, and what it told."""

    sandbox: StripeSandbox
    url: str
    http: httpx.AsyncClient
    heard: list[Heard] = field(default_factory=list)
    answers: deque[int] = field(default_factory=deque)
    """Statuses that the coming webhooks get, 200 after that."""
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def api_base(self) -> str:
        return f"{self.url}/sandbox/stripe"

    async def act(self, path: str, **options: object) -> dict[str, Any]:
        answer = await self.http.post(f"/sandbox/stripe{path}", json=options)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def told(self, how_many: int) -> list[Heard]:
        """Wait until so many webhooks came since the last clearing."""
        async with asyncio.timeout(PATIENCE):
            while len(self.heard) < how_many:
                self.came.clear()
                await self.came.wait()
        return self.heard


@asynccontextmanager
async def serve_stripe() -> AsyncIterator[ServedStripe]:
    # asyncio sets TCP_NODELAY only on sockets that say that they are TCP; without it each answer takes 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    sandbox = StripeSandbox(SECRET_KEY, WEBHOOK_SECRET, f"{url}/hook", url, first_wait=0.01)
    sandbox.late, sandbox.slowness = 0.05, 0.4

    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http:
        served = ServedStripe(sandbox, url, http)

        @post("/hook")
        async def hook(request: Request[Any, Any, Any]) -> Response[None]:
            served.heard.append((await request.body(), dict(request.headers)))
            served.came.set()
            return Response(None, status_code=served.answers.popleft() if served.answers else 200)

        app = Litestar([stripe_router(sandbox), hook], openapi_config=None, logging_config=None)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        async with sandbox, asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=[listener]))
            await _started(server)
            yield served
            server.should_exit = True


async def _started(server: uvicorn.Server) -> None:
    async with asyncio.timeout(PATIENCE):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)


@asynccontextmanager
async def gateway_to(
    api_base: str | None,
    *,
    clock: Clock = CLOCK,
    secrets: tuple[str, ...] = (WEBHOOK_SECRET,),
    limits: Limits | None = None,
    success_url: str = "http://127.0.0.1:1/thanks?id={CHECKOUT_SESSION_ID}",
) -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway(
        SECRET_KEY,
        secrets,
        Guard("stripe", CLOCK, IDS, limits or Limits(attempts=1, in_flight=16)),
        clock,
        api_base=api_base,
        success_url=success_url,
        cancel_url="http://127.0.0.1:1/back",
    )
    try:
        yield gateway
    finally:
        await gateway.close()


def an_order(
    price: Money | None = None, *, now: datetime | None = None, ttl: timedelta = timedelta(hours=1), name: str = "Month"
) -> Order:
    at = now or CLOCK.now()
    return Order(
        id=OrderId(IDS.new()),
        user_id=UserId(uuid4()),
        tariff_id=TariffId(uuid4()),
        terms=Terms(name=name, days=30),
        price=price or Money(amount=499, currency="USD"),
        provider=Provider.STRIPE,
        created_at=at,
        expires_at=at + ttl,
    )
