"""The outside, in this process on the load's core: the sandbox, behind a front that is as thin as it can be."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from litestar import Litestar

from bench import client, machine
from veilbot_runners import serving
from veilbot_runners.sandbox.shop import Credentials, Sandbox
from veilbot_runners.sandbox.stripe import stripe_router
from veilbot_runners.sandbox.telegram import telegram_router
from veilbot_runners.sandbox.telegram.api import BotApi
from veilbot_runners.sandbox.telegram.chats import Chat, Chats
from veilbot_runners.sandbox.telegram.errors import JsonObject

_KEY = re.compile(r"ss://[^\s<]+")
_TELEGRAM = "/sandbox/telegram"
VEILBOT = ("-c", "from veilbot_runners.cli import main; main()")
WEBHOOK_SECRET = "bench-telegram-webhook-secret"  # noqa: S105 - a sandbox's


class Ear(Chats):
    """Chats that tell at once what the bot said, and keep nothing of it."""

    def __init__(self, bot: JsonObject) -> None:
        super().__init__(bot)
        self.messages = 0
        self.keys: dict[int, list[str]] = {}
        self.heard: dict[int, asyncio.Future[float]] = {}
        """By chat: who waits for its first key."""
        self.said: dict[int, asyncio.Future[float]] = {}
        """By chat: who waits for anything."""

    def from_bot(self, chat: Chat, **content: Any) -> JsonObject:  # noqa: ANN401 - parts of a message
        """Note the moment."""
        message = super().from_bot(chat, **content)
        self.messages += 1
        _resolve(self.said.pop(chat.id, None))
        found = _KEY.search(str(content.get("caption") or content.get("text") or ""))
        if found:
            self.keys.setdefault(chat.id, []).append(found[0].partition("#")[0])
            _resolve(self.heard.pop(chat.id, None))
        return message


def _resolve(future: "asyncio.Future[float] | None") -> None:
    if future is not None and not future.done():
        future.set_result(time.perf_counter())


@dataclass(kw_only=True)
class World:
    """The sandbox and the processes that are measured against it."""

    folder: Path
    made: Credentials
    sandbox: Sandbox
    ear: Ear
    base: str
    database_url: str
    """The product's database."""
    cores: tuple[int, ...] = (machine.SERVER_CORE,)
    """Where processes run."""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def settings(self, port: int, **more: str) -> dict[str, str]:
        """Return the environment of a product that lives in this world."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VEILBOT_")}
        return kept | {
            "VEILBOT_ENV": "test",
            "VEILBOT_DATABASE_URL": self.database_url,
            "VEILBOT_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "VEILBOT_LISTEN": f"127.0.0.1:{port}",
            "VEILBOT_ALLOW_PRIVATE_SERVERS": "true",
            "VEILBOT_ENCRYPTION_KEYS": self.made.encryption_key,
            "VEILBOT_TELEGRAM__TOKEN": self.made.telegram_token,
            "VEILBOT_TELEGRAM__API_BASE": f"{self.base}{_TELEGRAM}",
            "VEILBOT_STRIPE__SECRET_KEY": self.made.stripe_key,
            "VEILBOT_STRIPE__WEBHOOK_SECRET": self.made.webhook_secret,
            "VEILBOT_STRIPE__API_BASE": f"{self.base}/sandbox/stripe",
            "VEILBOT_LIMIT__MESSAGES_PER_SECOND": "0",
            "VEILBOT_TIMEOUT__WEBHOOK": "30",  # a machine that stalls for a second is no failure here
            **more,
        }

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start ``python ...`` on the world's cores; its output goes to a file."""
        with (self.folder / "processes.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                [sys.executable, *command],
                env=dict(env or os.environ),
                stdout=log,
                stderr=log,
                preexec_fn=partial(machine.pin, 0, *self.cores),  # noqa: PLW1509 - no threads are waiting here
            )
        self.processes.append(process)
        return process

    async def answering(self, process: subprocess.Popen[bytes], port: int, seconds: float = 30.0) -> None:
        """Wait until a process takes connections and answers one."""
        end = time.monotonic() + seconds
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode}; see {self.log_tail()}")
            try:
                (line,) = await client.connect(port, 1)
                status, _ = await line.send(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            except OSError:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.005)
                continue
            line.close()
            if status != 200:
                raise RuntimeError(f"it is not ready: {status}; {self.log_tail()}")
            return

    def log_tail(self) -> str:
        """Return the end of what the processes printed."""
        return (self.folder / "processes.log").read_text(errors="replace")[-2000:]

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End one process that was started here."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def keys(self) -> list[str]:
        """Return the access URLs of every key on every server."""
        return [key.access_url for server in self.sandbox.outline.servers.values() for key in server.keys.values()]


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    """Yield a sandbox that listens; end whatever was started in it."""
    machine.pin(0, machine.LOAD_CORE)
    made = Credentials.read(folder, 0)
    sock = serving.listen("127.0.0.1", 0)
    port = int(sock.getsockname()[1])
    stop = asyncio.Event()
    sandbox = Sandbox(port, made, webhooks="http://127.0.0.1:9", servers_at=0)
    ear = sandbox.telegram.chats = Ear(sandbox.telegram.bot)
    async with sandbox, asyncio.TaskGroup() as group:
        group.create_task(serving.serve_http(_front(sandbox), sock, stop))
        database = f"sqlite+aiosqlite:///{folder / 'shop.db'}"
        base = f"http://127.0.0.1:{port}"
        world = World(folder=folder, made=made, sandbox=sandbox, ear=ear, base=base, database_url=database)
        try:
            yield world
        finally:
            for process in world.processes:
                world.end(process)
            sandbox.telegram.stop()
            stop.set()


def _front(sandbox: Sandbox) -> serving.Asgi:
    """Lead the bot's calls past the router: the outside must be faster than what is measured."""
    api = BotApi(sandbox.telegram)
    routers = [telegram_router(sandbox.telegram), stripe_router(sandbox.stripe)]
    rest = Litestar(route_handlers=routers, openapi_config=None, logging_config=None)

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        path = scope.get("path", "")
        if path.startswith(f"{_TELEGRAM}/bot"):
            scope["path"] = path[len(_TELEGRAM) :]
            await api(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


async def quiet(cpu: Callable[[], float], seconds: float = 8.0, window: float = 0.4) -> None:
    """Wait until processes have nothing more to do."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = cpu()
        await asyncio.sleep(window)
        if cpu() - before <= 0.04 * window:
            return
