"""One Outline server of the sandbox: HTTPS with a self-signed certificate, and outages on demand."""

import asyncio
import hashlib
import json
import secrets
import socket
from asyncio import TaskGroup
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Any

import uvicorn

from veilbot_runners.sandbox.certificate import self_signed
from veilbot_runners.sandbox.outline_api import Answer, Call, answer
from veilbot_runners.sandbox.outline_state import OutlineKey, OutlineState

_JSON = (b"content-type", b"application/json")
_HTML = (b"content-type", b"text/html")
_Message = Mapping[str, Any]
_Send = Callable[[_Message], Awaitable[None]]
_MOVED = "/experimental/access-key-data-limit"


class Outage(StrEnum):
    """What is wrong with a server."""

    NONE = "none"
    DOWN = "down"
    """Nobody listens."""
    HANG = "hang"
    """It takes requests and does nothing until the outage ends; then it does them."""
    LOST = "lost"
    """It does what it is asked, and its answer never comes."""
    ERROR_AFTER = "error_after"
    """It does what it is asked, and answers 500."""
    FULL = "full"
    """It makes no keys any more: 500."""
    BUSY = "busy"
    """Every answer is 429 with ``Retry-After: 7``."""
    GARBAGE = "garbage"
    """Every answer is a page of HTML."""


class _Listener(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process that this server is a part of."""
        yield


class OutlineServer:
    """A server with its keys in memory; an ASGI app that serves itself over TLS.

    ``port`` 0 takes any free one. Equal seeds give the equal secret path and certificate, so that a shop finds a
    server that was started again.
    """

    def __init__(self, name: str, port: int = 0, *, seed: str | None = None) -> None:
        root = hashlib.sha256(f"{seed}/{name}".encode()).digest() if seed else secrets.token_bytes(32)
        self.name = name
        self.outage = Outage.NONE
        self.delay = 0.0
        """Seconds that every answer takes longer."""
        self.requests = 0
        self._certificate = self_signed(root)
        self._prefix = "/" + hashlib.sha256(b"path" + root).hexdigest()[:22]
        self.state = OutlineState(name=name, server_id=root.hex()[:32], password=lambda: secrets.token_urlsafe(16))
        self._port = port
        self._over = asyncio.Event()
        self._listener: _Listener | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def api_url(self) -> str:
        """What the installer prints; a secret."""
        return f"https://127.0.0.1:{self._port}{self._prefix}"

    @property
    def cert_sha256(self) -> str:
        """What the installer prints beside it."""
        return self._certificate.sha256

    @property
    def keys(self) -> Mapping[str, OutlineKey]:
        """The access keys by id."""
        return self.state.keys

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._listener.server_state.connections) if self._listener is not None else 0

    def carry(self, key_id: str, count: int) -> None:
        """Play traffic of a key. Raises ApiError for one that is not there."""
        self.state.key(key_id)
        self.state.traffic[key_id] = self.state.traffic.get(key_id, 0) + count

    async def play(self, outage: Outage, tasks: TaskGroup) -> None:
        """Begin an outage, or end it with `Outage.NONE`."""
        self.outage = outage
        self._over.set()
        self._over = asyncio.Event()
        if outage is Outage.DOWN:
            await self.stop()
        elif self._serving is None:
            self.start(tasks)

    def start(self, tasks: TaskGroup) -> None:
        """Listen, served by a task of ``tasks``."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets NODELAY only so
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", self._port))
        bound.listen(512)
        self._port = self.state.api_port = bound.getsockname()[1]
        context = self._certificate.context()
        config = uvicorn.Config(
            self,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            ssl_context_factory=lambda _config, _default: context,
            timeout_graceful_shutdown=1,
        )
        self._listener = _Listener(config)
        self._serving = tasks.create_task(self._listener.serve(sockets=[bound]))

    async def stop(self) -> None:
        """Stop listening and drop every connection; keys stay."""
        self._over.set()
        if self._listener is not None and self._serving is not None:
            for connection in list(self._listener.server_state.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            self._listener.should_exit = True
            await self._serving
        self._listener = self._serving = None

    async def __call__(self, scope: _Message, receive: Callable[[], Awaitable[_Message]], send: _Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        self.requests += 1
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message["body"]
            more = message["more_body"]
        headers = dict(scope["headers"])
        call = Call(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            body=body,
        )
        status, extra, content = await self._respond(call)
        extra = [*extra, (b"content-length", b"%d" % len(content))] if status != 204 else extra
        await send({"type": "http.response.start", "status": status, "headers": extra})
        await send({"type": "http.response.body", "body": content})

    async def _respond(self, call: Call) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        outage, over = self.outage, self._over
        if self.delay:
            await asyncio.sleep(self.delay)
        if outage is Outage.HANG:
            await over.wait()
        if outage is Outage.GARBAGE:
            return 200, [_HTML], b"<html><body>It works!</body></html>"
        if outage is Outage.BUSY:
            return 429, [_JSON, (b"retry-after", b"7")], b'{"code":"TooManyRequests","message":"slow down"}'
        status, shown = self._do(call, full=outage is Outage.FULL)
        if outage is Outage.LOST:
            await over.wait()
        if outage is Outage.ERROR_AFTER:
            status, shown = 500, {"code": "InternalServer", "message": ""}
        if status == 308:
            return 308, [(b"location", str(shown).encode())], b""
        return status, [_JSON], b"" if shown is None else json.dumps(shown, separators=(",", ":")).encode()

    def _do(self, call: Call, *, full: bool) -> Answer:
        path = call.path.removeprefix(self._prefix)
        if path == call.path:
            return 404, {"code": "ResourceNotFound", "message": f"{call.path} does not exist"}
        if path == _MOVED and call.method in {"PUT", "DELETE"}:
            return 308, f"{self._prefix}/server/access-key-data-limit"
        if full and path.startswith("/access-keys") and call.method in {"PUT", "POST"} and path.count("/") < 3:
            return 500, {"code": "InternalServer", "message": "no port is left"}
        return answer(self.state, replace(call, path=path))
