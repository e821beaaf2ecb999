"""A shop whose ids, tokens and senders a generated request can speak of, and the callers who send it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from tests.adapters.payments.bodies import an_event, signed
from tests.adapters.payments.served import WEBHOOK_SECRET, gateway_to
from tests.runners.api.world import GENEROUS, World, open_world
from tests.runners.bot.telegram import SECRET, make_api, make_bot, open_telegram

from veilbot_adapters import memory
from veilbot_adapters.database import connect
from veilbot_adapters.payments.stripe import StripeGateway
from veilbot_core.domain.apikey import SCOPES
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.payment import PaymentEvent
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.api.webhooks import TelegramWebhook

CALLERS = ("nobody", "a stranger", "a narrow key", "the right one")
TELEGRAM_HEADER = "X-Telegram-Bot-Api-Secret-Token"
Headers = Mapping[str, str]


def paid(order_id: str, charge: str | None = None) -> dict[str, Any]:
    """Return Stripe's event about the money for an order."""
    number = uuid4().hex
    about: dict[str, Any] = {
        "client_reference_id": order_id,
        "metadata": {"order_id": order_id},
        "payment_intent": charge or f"pi_{number}",
    }
    return {**an_event(**about, id=f"cs_{number}"), "id": f"evt_{number}"}


class Verified(memory.MemoryGateway):
    """Checkouts in memory, and webhooks that Stripe's own verifier and reader take."""

    def __init__(self, clock: memory.MemoryClock, stripe: StripeGateway) -> None:
        super().__init__(clock)
        self._stripe = stripe
        self._time = clock

    def deliver(self, event: PaymentEvent) -> tuple[bytes, Mapping[str, str]]:
        return signed(WEBHOOK_SECRET, paid(str(event.order_id), event.external_id), self._time)

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent | None:
        return self._stripe.parse_webhook(body, headers)


class Door:
    """Where Telegram knocks; the bot behind it is made when the shop is."""

    bot: TelegramWebhook

    async def feed(self, body: bytes, secret: str | None) -> Mapping[str, object] | None:
        return await self.bot.feed(body, secret)


class Stock:
    """What a caller can know, fresh for every operation: what one spends, the next must not miss."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._keys: dict[str, Headers] = {}

    async def known(self) -> dict[str, Any]:
        """Return the names of things that are there, by the names that the document gives them."""
        world = self.world
        subscription = await world.bought()
        user = {"id": subscription["user_id"]}
        bought = (await world.get("/api/v1/billing/orders", params={"user_id": user["id"]}))["items"][0]
        payment = (await world.get("/api/v1/billing/payments", params={"user_id": user["id"]}))["items"][0]
        server = await world.server(f"spare {uuid4().hex[:12]}")
        waiting = await world.order(user, {"id": bought["tariff_id"]})
        await world.pay(waiting)
        opened = await world.order(user, {"id": bought["tariff_id"]})
        key = {"name": "tool", "scopes": ["users:read"]}
        made = await world.post("/api/v1/admin/api-keys", 201, json=key)
        return {
            "user_id": user["id"],
            "tariff_id": bought["tariff_id"],
            "order_id": bought["id"],
            "payment_id": payment["id"],
            "server_id": server["id"],
            "subscription_id": subscription["id"],
            "key_id": made["key"]["id"],
            "job_id": await self._dead_job(),
            "token": (await world.link(subscription)).rpartition("/")[2],
            "open order": opened["id"],
            "paid order": waiting["id"],
        }

    def body(self) -> dict[str, Any]:
        """Return what must fit together in a body, by the name of its field."""
        return {
            "provider": "stripe",
            "currency": "USD",
            "country": "NL",
            "prices": {"USD": 499},
            "trial": False,
            "scopes": ["users:read"],
            "protocol": "outline",
            "endpoint": {"api_url": "https://203.0.113.7:8443/hush-hush", "cert_sha256": "AB"},
            "amount": 499,
        }

    async def caller(self, name: str, scope: str | None) -> Headers:
        """Return the headers of a caller of an operation that asks for ``scope``, or for none."""
        if name == "nobody":
            return {}
        if name == "a stranger":
            return {"Authorization": "Bearer vb_wrongwrongwrongwrong"}
        if name == "the right one" or scope is None:
            return self.world.admin
        if scope not in self._keys:
            module, _, right = scope.partition(":")
            stronger = {scope, f"{module}:write", "*"} if right == "read" else {scope, "*"}
            self._keys[scope] = await self.world.key(*sorted(SCOPES - stronger))
        return self._keys[scope]

    def signed(self, caller: str, provider: str, body: bytes) -> dict[str, str]:
        """Return the headers by which a sender proves itself: nobody with none, a stranger with a wrong secret."""
        if caller == "nobody":
            return {}
        right = caller == "the right one"
        if provider == "telegram":
            return {TELEGRAM_HEADER: SECRET if right else "a guess"}
        age = 0 if right else 3600
        secret = "whsec_a_guess" if caller == "a stranger" else WEBHOOK_SECRET
        return signed(secret, body, self.world.clock, ago=age)[1]

    async def _dead_job(self) -> str:
        now = self.world.clock.now()
        ask = Job.ask(JobKind.ALERT, uuid4(), now, detail="order.held")

        def bury(uow: UnitOfWork) -> UUID:
            uow.jobs.ask(ask)
            jobs = uow.jobs.claim(now, now, 100)
            for job in jobs:
                uow.jobs.bury(job, "nobody listens")
            return jobs[-1].id

        return str(await self.world.application.storage.write(bury))


def an_update(number: int) -> dict[str, Any]:
    """Return what Telegram sends when somebody writes to the bot."""
    ann = {"id": 501, "is_bot": False, "first_name": "Ann", "language_code": "en"}
    chat = {"id": 501, "type": "private", "first_name": "Ann"}
    return {"update_id": number, "message": {"message_id": 7, "date": 1, "chat": chat, "from": ann, "text": "/start"}}


@asynccontextmanager
async def open_stock(database_url: str | None) -> AsyncIterator[Stock]:
    """Open a shop in memory, or on a database, with Stripe's verifier and the real bot behind its webhooks."""
    clock, door = memory.MemoryClock(), Door()
    async with AsyncExitStack() as stack:
        stripe = await stack.enter_async_context(gateway_to(None, clock=clock))
        telegram = await stack.enter_async_context(open_telegram())
        storage = None
        if database_url is not None:
            storage = connect(database_url, memory.MemoryDoorbell(clock), clock)
            stack.push_async_callback(storage.close)
        opened = open_world(
            rate=GENEROUS,
            clock=clock,
            storage=storage,
            gateway=Verified(clock, stripe),
            protocols={kind: memory.MemoryVpn(kind) for kind in Protocol},
            telegram=door,
        )
        world = await stack.enter_async_context(opened)
        wire = make_api(world.application, telegram)
        stack.push_async_callback(wire.close)
        door.bot = bot = make_bot(world.application, telegram, wire, webhook=True)
        stack.push_async_callback(bot.close)
        stock = Stock(world)
        await stock.known()  # of everything there is more than one
        yield stock
