"""A shop on memory adapters whose customers sit in the sandbox's Telegram, over real HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, cast

from litestar import Litestar
from tests.services.shop import build
from tests.services.world import World
from tests.waiting import PATIENCE

from veilbot_adapters import memory, qr
from veilbot_adapters.resilience import Guard, Limits
from veilbot_adapters.telegram import Bills, BotApi, Pace, TelegramNotifier, Texts
from veilbot_core.domain.order import Order
from veilbot_core.domain.policy import Policy
from veilbot_core.ports.payments import OpenCheckout
from veilbot_runners.bot import TelegramBot, Webhook
from veilbot_runners.sandbox.telegram import TelegramSandbox, telegram_router
from veilbot_runners.serving import listen, serve_http

TOKEN = "12345:canary-token"
SECRET = "webhook-secret"
TEXTS = Texts()
SUPPORT = "@veil_help"


class PageGateway(memory.MemoryGateway):
    """A provider whose pages have addresses that a button may carry; it is slow until `gate` is open."""

    gate: asyncio.Event | None = None

    async def open_checkout(self, order: Order) -> OpenCheckout:
        if self.gate is not None:
            await self.gate.wait()
        page = await super().open_checkout(order)
        return replace(page, url=f"https://pay.example/{order.id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegram:
    """The sandbox and where it listens."""

    sandbox: TelegramSandbox
    base: str


@asynccontextmanager
async def open_telegram() -> AsyncIterator[Telegram]:
    """Serve a sandbox on a free port."""
    sock = listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{sock.getsockname()[1]}/sandbox/telegram"
    stop = asyncio.Event()
    async with TelegramSandbox(TOKEN) as sandbox, asyncio.TaskGroup() as group:
        app = Litestar([telegram_router(sandbox)], openapi_config=None, logging_config=None)
        group.create_task(serve_http(cast("Any", app), sock, stop))
        try:
            yield Telegram(sandbox=sandbox, base=base)
        finally:
            sandbox.stop()
            stop.set()


class Shop(World):
    """The world of the service tests, with the bot in front and the real notifier behind."""

    def __init__(self, telegram: Telegram) -> None:
        super().__init__(Policy(public_url="https://veil.example", mirrors=("https://mirror.example",)))
        out = self.out
        self.gateway = self.pages = PageGateway(out.clock)
        self.api = make_api(self.out, telegram)
        changes: dict[str, Any] = {
            "gateway": self.gateway,
            "notifier": TelegramNotifier(self.api, TEXTS, bills=Bills(self.out.cache), admin_ids=(1,)),
        }
        self.out = replace(out, **changes)
        self.app = build(self.out)
        self.telegram = telegram
        self.bot = make_bot(self.app, telegram, self.api, bills=Bills(self.out.cache))

    async def close(self) -> None:
        await self.bot.close()
        await self.api.close()


def make_api(out: Any, telegram: Telegram, token: str = TOKEN) -> BotApi:
    """Return the one client of bot and notifier."""
    guard = Guard("telegram", out.clock, out.ids, Limits(in_flight=32, waiting=256))
    return BotApi(token, guard, Pace(out.clock, 0), api_base=telegram.base)


def make_bot(
    app: Any,
    telegram: Telegram,
    wire: BotApi,
    *,
    webhook: bool = False,
    several: bool = False,
    bills: Bills | None = None,
) -> TelegramBot:
    url = "https://veil.example/webhooks/telegram"
    bills = bills or Bills(memory.MemoryCache(app.clock))
    hook = Webhook(url=url, secret=SECRET, several=several) if webhook else None
    return TelegramBot(
        app,
        TOKEN,
        wire=wire,
        texts=TEXTS,
        draw=qr.png,
        bills=bills,
        api_base=telegram.base,
        webhook=hook,
        support=SUPPORT,
    )


@asynccontextmanager
async def polling(shop: Shop, *, drain: float = 5) -> AsyncIterator[None]:
    """Let the bot poll meanwhile."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(shop.bot.poll(stop, drain=drain))
        try:
            yield
        finally:
            stop.set()


@dataclass(kw_only=True)
class Customer:
    """A person with a telephone."""

    shop: Shop
    chat: int
    name: str = "Ann Lee"
    language: str = "en"
    toasts: list[str] = field(default_factory=list)

    @property
    def messages(self) -> list[dict[str, Any]]:
        chat = self.shop.telegram.sandbox.chats.all.get(self.chat)
        return list(chat.messages.values()) if chat is not None else []

    @property
    def heard(self) -> list[dict[str, Any]]:
        """What the bot wrote, oldest first."""
        return [message for message in self.messages if message["from"]["is_bot"]]

    async def say(self, text: str) -> str:
        """Write, and return what the bot writes back."""
        before = self._state()
        self.shop.telegram.sandbox.customers.say(self.chat, text, name=self.name, language_code=self.language)
        return await self._changed(before)

    async def tap(self, label: str, *, message: dict[str, Any] | None = None) -> str:
        """Tap the newest button with these words, and return what the chat shows then."""
        found, button = self.button(label, message)
        return await self.send_data(found, button["callback_data"])

    async def send_data(self, message: dict[str, Any], data: str) -> str:
        """Send a tap that no honest app would send."""
        before = self._state()
        sandbox = self.shop.telegram.sandbox
        chat = sandbox.chats.all[self.chat]
        query_id = sandbox.queries.ask()
        query = {
            "id": query_id,
            "from": chat.as_user(),
            "message": message,
            "chat_instance": "1",
            "data": data,
        }
        sandbox.updates.push("callback_query", query)
        answer = await sandbox.queries.wait(query_id, PATIENCE)
        assert answer is not None, "every tap is answered"
        self.toasts.append(answer.get("text", ""))
        return self.screen if answer.get("text") else await self._changed(before)

    def button(self, label: str, message: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the newest button with these words, and its message."""
        for candidate in [message] if message is not None else reversed(self.heard):
            for button in chain.from_iterable(candidate.get("reply_markup", {}).get("inline_keyboard", ())):
                if label in button["text"]:
                    return candidate, button
        raise AssertionError(f"no button {label!r} in {self.buttons}")

    @property
    def buttons(self) -> list[str]:
        """The words on the newest message's buttons."""
        rows = self.heard[-1].get("reply_markup", {}).get("inline_keyboard", ())
        return [button["text"] for row in rows for button in row]

    @property
    def screen(self) -> str:
        """What the newest message says."""
        last = self.heard[-1]
        return str(last.get("text") or last.get("caption") or "")

    async def hears(self, pattern: str) -> str:
        """Wait until the bot has written something like this."""
        async with asyncio.timeout(PATIENCE):
            while True:
                texts = (str(heard.get("text") or heard.get("caption") or "") for heard in reversed(self.heard))
                found = next((text for text in texts if re.search(pattern, text)), None)
                if found is not None:
                    return found
                await self.shop.telegram.sandbox.chats.changed.wait(1)

    async def pay(self) -> None:
        """Pay on the page behind the newest pay button, and let the shop work."""
        _, button = self.button("💳")
        (order_id,) = [one for one in self.shop.gateway.checkouts if str(one) in button["url"]]
        await self.shop.receive(self.shop.gateway.pay(order_id))

    def _state(self) -> tuple[int, str]:
        return len(self.heard), repr(self.heard)

    async def _changed(self, before: tuple[int, str]) -> str:
        changed = self.shop.telegram.sandbox.chats.changed
        async with asyncio.timeout(PATIENCE):
            while self._state() == before:
                await changed.wait(1)
        return self.screen
