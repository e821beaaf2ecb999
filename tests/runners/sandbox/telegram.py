"""A sandbox Telegram on a free port, with a real aiogram bot in front of it."""

import asyncio
import itertools
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from litestar import Litestar
from litestar.types import ControllerRouterHandler
from tests.waiting import PATIENCE

from veilbot_runners.sandbox.telegram import TelegramSandbox, telegram_router

TOKEN = "42:SANDBOX"
_chat_ids = itertools.count(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """The sandbox, its address, a script that plays customers, and a bot."""

    sandbox: TelegramSandbox
    url: str
    http: httpx.AsyncClient
    bot: Bot
    heard: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    async def customer(self, **more: str) -> int:
        """Open the chat of a new customer and forget what the bot would hear of it."""
        chat = next(_chat_ids)
        await self.done("POST", f"/chats/{chat}/messages", {"text": "/start", **more})
        self.sandbox.updates.drop()
        return chat

    async def done(self, method: str, path: str, body: object = None) -> Any:
        """Do something on the customer's side that must succeed."""
        answer = await self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def call(self, method: str, /, **params: object) -> httpx.Response:
        """Call the Bot API without a client library."""
        return await self.http.post(f"/bot{TOKEN}/{method}", data=params)

    async def items(self, chat: int) -> list[dict[str, Any]]:
        """Return the messages of a chat."""
        view = await self.done("GET", f"/chats/{chat}")
        return list(view["items"])

    async def item(self, chat: int, number: int) -> dict[str, Any]:
        """Return a message by its number, once it is there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                view = await self.done("GET", f"/chats/{chat}")
                if len(view["items"]) > number:
                    return dict(view["items"][number])
                await self.http.get(f"/chats/{chat}", params={"after": view["version"], "wait": 1})


def api_session(url: str) -> AiohttpSession:
    """Return what makes an aiogram bot talk to the sandbox."""
    return AiohttpSession(api=TelegramAPIServer.from_base(url), timeout=PATIENCE)


@asynccontextmanager
async def opened(more: Sequence[ControllerRouterHandler] = ()) -> AsyncIterator[Local]:
    """Serve a sandbox, with more handlers beside it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/sandbox/telegram"
    sandbox = TelegramSandbox(TOKEN, retry_delay=0.02)
    app = Litestar([telegram_router(sandbox), *more], openapi_config=None, logging_config=None)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    session = api_session(url)
    async with (
        sandbox,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http,
        Bot(TOKEN, session=session).context() as bot,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(PATIENCE):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.005)
        yield Local(sandbox=sandbox, url=url, http=http, bot=bot)
        sandbox.stop()
        server.should_exit = True


def picture(width: int = 40, height: int = 30) -> bytes:
    """Return a small grey PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + b"\x80" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
