"""A whole world on this machine: the sandbox in this process, the shop as real processes beside it."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import httpx

from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.services.fleet import Draft
from veilbot_runners import serving
from veilbot_runners.container import open_application
from veilbot_runners.sandbox.shop import Credentials, Sandbox
from veilbot_runners.settings import load

T = TypeVar("T")
PATIENCE = 90.0


@dataclass(kw_only=True)
class World:
    """The sandbox's address, and the shop that runs against it."""

    base: str
    sandbox: Sandbox
    made: Credentials
    http: httpx.AsyncClient
    environment: Mapping[str, str]
    log: Path
    shop_port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start ``veilbot ...`` with this world's settings."""
        environment = {**self.environment, **settings}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "veilbot_runners", *command],
                env=environment,
                cwd=self.log.parent,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    async def command(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run ``veilbot ...`` to its end."""
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "veilbot_runners", *command],
            env=dict(self.environment),
            cwd=self.log.parent,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    async def stop(self, process: subprocess.Popen[bytes], sign: int = signal.SIGTERM) -> int:
        """Signal a process and return how it ended."""
        process.send_signal(sign)
        return await asyncio.to_thread(process.wait, PATIENCE)

    async def ready(self) -> None:
        """Wait until the shop answers."""

        await eventually("the shop to answer", self.answers)

    async def answers(self) -> bool:
        """Whether the shop answers."""
        try:
            return (await self.http.get(f"http://127.0.0.1:{self.shop_port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def stock(self) -> None:
        """Fill the shop: a tariff, and the sandbox's servers."""
        settings = load(
            env_file=None,
            database_url=self.environment["VEILBOT_DATABASE_URL"],
            encryption_keys=(self.made.encryption_key,),
            allow_private_servers=True,
        )
        async with open_application(settings) as shop:
            await shop.catalog.add(Terms(name="Month", days=30, traffic_limit=10**11), {"USD": 499})
            for name, server in self.sandbox.outline.servers.items():
                endpoint = {"api_url": server.api_url, "cert_sha256": server.cert_sha256}
                country = {"A": "NL", "F": "DE"}[name[0]]
                await shop.fleet.add(Draft(name=name, protocol=Protocol.OUTLINE, country=country, endpoint=endpoint))

    def keys(self) -> list[str]:
        """Return the access URLs of every key on every server."""
        return [key.access_url for server in self.sandbox.outline.servers.values() for key in server.keys.values()]


@dataclass(kw_only=True)
class Customer:
    """A person in a chat."""

    world: World
    chat: int
    language: str = "en"

    async def _post(self, path: str, body: object) -> Any:
        answer = await self.world.http.post(f"{self.world.base}/sandbox{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def say(self, text: str) -> None:
        """Write to the bot."""
        await self._post(f"/telegram/chats/{self.chat}/messages", {"text": text, "language_code": self.language})

    async def messages(self) -> list[dict[str, Any]]:
        """Return the chat, oldest first."""
        answer = await self.world.http.get(f"{self.world.base}/sandbox/telegram/chats/{self.chat}")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def texts(self) -> list[str]:
        """Return what the bot has said."""
        return [
            f"{m.get('text') or ''}{m.get('caption') or ''}" for m in await self.messages() if m["from"] != "customer"
        ]

    async def button(self, key: str, pattern: str) -> dict[str, Any] | None:
        """Return the newest button whose ``key`` matches."""
        for message in reversed(await self.messages()):
            for button in chain.from_iterable(message.get("buttons") or []):
                if re.search(pattern, str(button.get(key) or "")):
                    return {"message_id": message["message_id"], **button}
        return None

    async def tap(self, pattern: str) -> Any:
        """Tap the button with this text, when it is there."""
        button = await eventually(f"a button like {pattern!r}", lambda: self.button("text", pattern))
        body = {"message_id": button["message_id"], "data": button["data"]}
        return await self._post(f"/telegram/chats/{self.chat}/taps", body)

    async def checkout(self, tariff: str = "Month", country: str | None = "Netherlands") -> str:
        """Go from /start to the pay page; return the session."""
        await self.say("/start")
        await self.tap("(?i)buy|получить")
        await self.tap(tariff)
        if country is not None:
            await self.tap(country)
        button = await eventually("the pay button", lambda: self.button("url", "/sandbox/stripe/pay/"))
        return str(button["url"]).rsplit("/", 1)[1]

    async def pay(self, session: str, **how: object) -> Any:
        """Pay on the provider's page."""
        return await self._post(f"/stripe/sessions/{session}/pay", how)

    async def hears(self, pattern: str) -> str:
        """Wait until the bot has said something; return what matched."""

        async def look() -> str | None:
            found = (re.search(pattern, text) for text in await self.texts())
            return next((match[0] for match in found if match), None)

        heard: str = await eventually(f"the bot to say {pattern!r}", look)
        return heard


async def eventually(what: str, look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Look until something is there."""
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        if found := await look():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


@asynccontextmanager
async def open_world(folder: Path, database_url: str) -> AsyncIterator[World]:
    """Yield a sandbox that listens, and the settings of a shop that lives in it."""
    made = Credentials.read(folder, 0)
    sock = serving.listen("127.0.0.1", 0)
    port = int(sock.getsockname()[1])
    base = f"http://127.0.0.1:{port}"
    stop = asyncio.Event()
    shop_port = _free_port()
    async with (
        Sandbox(port, made, webhooks=f"http://127.0.0.1:{shop_port}", servers_at=0) as sandbox,
        httpx.AsyncClient(timeout=PATIENCE) as http,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(serving.serve_http(sandbox.app({}), sock, stop))
        world = World(
            base=base,
            sandbox=sandbox,
            made=made,
            http=http,
            environment=_environment(base, shop_port, database_url, made),
            log=folder / "shop.log",
            shop_port=shop_port,
        )
        try:
            yield world
        finally:
            for process in [one for one in world.processes if one.poll() is None]:
                process.kill()
                process.wait()
            sandbox.telegram.stop()
            stop.set()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def _environment(base: str, shop_port: int, database_url: str, made: Credentials) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VEILBOT_")}
    return kept | {
        "VEILBOT_ENV": "test",
        "VEILBOT_DATABASE_URL": database_url,
        "VEILBOT_PUBLIC_URL": f"http://127.0.0.1:{shop_port}",
        "VEILBOT_LISTEN": f"127.0.0.1:{shop_port}",
        "VEILBOT_ALLOW_PRIVATE_SERVERS": "true",
        "VEILBOT_ENCRYPTION_KEYS": made.encryption_key,
        "VEILBOT_TELEGRAM__TOKEN": made.telegram_token,
        "VEILBOT_TELEGRAM__API_BASE": f"{base}/sandbox/telegram",
        "VEILBOT_STRIPE__SECRET_KEY": made.stripe_key,
        "VEILBOT_STRIPE__WEBHOOK_SECRET": made.webhook_secret,
        "VEILBOT_STRIPE__API_BASE": f"{base}/sandbox/stripe",
        "VEILBOT_WORKER__LEASE_SECONDS": "2",
        "VEILBOT_WORKER__SWEEP_SECONDS": "1",
        "VEILBOT_WORKER__POLL_SECONDS": "0.2",
    }
