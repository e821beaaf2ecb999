"""A shop in memory behind its real HTTP API."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID

import httpx
from dependency_injector import providers
from tests.runners.api.conformance import Document
from tests.waiting import PATIENCE

from veilbot_adapters import memory
from veilbot_adapters.telegram import Texts
from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput, Unauthorized
from veilbot_core.domain.ids import OrderId, ServerId
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Protocol
from veilbot_core.domain.user import Language
from veilbot_core.ports.limiter import Limiter
from veilbot_core.ports.storage import Storage
from veilbot_runners.api import Rate, build_api
from veilbot_runners.container import Container
from veilbot_runners.settings import Settings

_DOCUMENTS: list[Document] = []  # making one takes longer than most tests
NOWHERE = "0199a7d2-7c1e-7a70-8f4e-2b6f0c9d1e55"
ENDPOINT = {"api_url": "https://203.0.113.7:8443/hush-hush", "cert_sha256": "AB"}


class Telegram:
    """Takes updates like the bot's webhook does."""

    async def feed(self, body: bytes, secret: str | None) -> Mapping[str, object] | None:
        if secret != "right":
            raise Unauthorized
        if body == b"silent":
            return None
        if not body.startswith(b"{"):
            raise InvalidInput("this is no update")
        return {"method": "sendMessage", "chat_id": 7, "text": Texts.html("hi")}


def picture(text: str) -> str:
    return f'<svg viewBox="0 0 9 9" data-length="{len(text)}"></svg>'


class World:
    """The API, what stands behind it, and a caller; every answer is checked against the OpenAPI document."""

    def __init__(self, http: httpx.AsyncClient, application: Application, document: Document) -> None:
        self.http = http
        self.application = application
        self.document = document
        self.clock: memory.MemoryClock
        self.storage: memory.MemoryStorage
        self.vpn: memory.MemoryVpn
        self.gateway: memory.MemoryGateway
        self.admin: dict[str, str] = {}

    async def key(self, *scopes: str, days: int | None = None) -> dict[str, str]:
        """Make an API key; return the headers that carry it."""
        _, secret = await self.application.api_keys.add("test", scopes, days=days)
        return {"Authorization": f"Bearer {secret}"}

    async def call(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Ask as the administrator, or with the given headers."""
        headers = {**self.admin, **rest.pop("headers", {})}
        response = await self.http.request(method, path, headers=headers, **rest)
        self.document.check(response)
        assert response.headers["x-request-id"]
        assert response.headers["x-content-type-options"] == "nosniff"
        return response

    async def get(self, path: str, status: int = 200, **rest: Any) -> Any:
        response = await self.call("GET", path, **rest)
        assert response.status_code == status, response.text
        return response.json()

    async def post(self, path: str, status: int = 200, **rest: Any) -> Any:
        response = await self.call("POST", path, **rest)
        assert response.status_code == status, response.text
        return response.json()

    async def everything(self, path: str, limit: int) -> list[Any]:
        """Page through a list to its end."""
        items: list[Any] = []
        after: str | None = None
        for _ in range(100):
            page = await self.get(path, params={"limit": limit} | ({"after": after} if after else {}))
            assert len(page["items"]) <= limit
            items += page["items"]
            after = page["next"]
            if after is None:
                return items
        raise AssertionError("the list has no end")

    async def user(self, name: str = "Ann") -> Any:
        return await self.post("/api/v1/users", 201, json={"name": name})

    async def speak(self, language: Language) -> None:
        """Let every customer choose a language."""
        for user in await self.application.users.page(limit=50):
            await self.application.users.speak(user.id, language)

    async def tariff(self, **changes: Any) -> Any:
        body = {"name": "Month", "days": 30, "prices": {"USD": 499}} | changes
        return await self.post("/api/v1/billing/tariffs", 201, json=body)

    async def server(self, name: str = "Amsterdam", **changes: Any) -> Any:
        body = {"name": name, "protocol": "outline", "country": "NL", "endpoint": ENDPOINT} | changes
        return await self.post("/api/v1/vpn/servers", 201, json=body)

    async def order(self, user: Any, tariff: Any, status: int = 201, **changes: Any) -> Any:
        body = {"user_id": user["id"], "tariff_id": tariff["id"], "provider": "stripe"} | changes
        return await self.post("/api/v1/billing/orders", status, json=body)

    async def pay(self, order: Any) -> None:
        body, headers = self.gateway.pay(OrderId(UUID(order["id"])))
        assert await self.post("/webhooks/stripe", content=body, headers=headers) == {"receipt": "accepted"}

    async def work(self) -> None:
        """Do all jobs that are due."""
        while jobs := await self.application.work.claim(100):
            for job in jobs:
                await self.application.work.run(job)

    async def bought(self) -> Any:
        """Let a new customer buy and get a key; return their subscription."""
        user, tariff = await self.user(), await self.tariff()
        await self.server(f"server of {user['id'][-12:]}")
        await self.pay(await self.order(user, tariff))
        await self.work()
        page = await self.get(f"/api/v1/users/{user['id']}/subscriptions")
        return page["items"][0]

    async def link(self, subscription: Any) -> str:
        """Return the path of a subscription's link."""
        shown = await self.get(f"/api/v1/vpn/subscriptions/{subscription['id']}")
        return httpx.URL(shown["link"]).path

    def remote(self, server_id: str) -> memory.MemoryServer:
        return self.vpn.servers[ServerId(UUID(server_id))]


@asynccontextmanager
async def open_world(
    *,
    peer: str = "198.51.100.7",
    protocols: Mapping[Protocol, Any] | None = None,
    limiter: Limiter | None = None,
    storage: Storage | None = None,
    clock: memory.MemoryClock | None = None,
    gateway: memory.MemoryGateway | None = None,
    settings: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> AsyncIterator[World]:
    """Open a shop whose API is built with the given options, on other adapters or settings if they are given."""
    clock = clock or memory.MemoryClock()
    bell = memory.MemoryDoorbell(clock)
    gateway = gateway or memory.MemoryGateway(clock)
    storage = storage or memory.MemoryStorage(bell, clock)
    protocols = protocols or {Protocol.OUTLINE: memory.MemoryVpn()}
    vpn = protocols[Protocol.OUTLINE]
    adapters = {
        "clock": clock,
        "ids": memory.MemoryIds(clock),
        "doorbell": bell,
        "storage": storage,
        "secrets": memory.MemorySecrets(),
        "gateways": {Provider.STRIPE: gateway},
        "protocols": protocols,
        "notifier": memory.MemoryNotifier(),
        "limiter": limiter or memory.MemoryLimiter(clock),
    }
    chosen = Settings(_env_file=None, env="test", **settings)  # type: ignore[call-arg]
    container = Container(settings=providers.Object(chosen))
    for name, adapter in adapters.items():
        container.providers[name].override(providers.Object(adapter))
    application = container.application()
    defaults: dict[str, Any] = {"telegram": Telegram(), "qr": picture, "support_url": "https://t.me/help"}
    api = build_api(application, **defaults | options)
    transport = httpx.ASGITransport(cast("Any", api), raise_app_exceptions=False, client=(peer, 5555))
    async with api.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://shop.test") as http:
        known = [] if "modules" in options else _DOCUMENTS
        if not known:
            known.append(Document((await http.get("/schema/openapi.json")).json()))
        world = World(http, application, known[0])
        world.clock, world.vpn, world.gateway = clock, vpn, gateway
        if isinstance(storage, memory.MemoryStorage):
            world.storage = storage
        world.admin = await world.key("*")
        yield world


GENEROUS = Rate(key=10**9, failures=10**9, links=10**9, webhook=PATIENCE)
