"""The edge: what every request and every answer has, whatever happens in between."""

import re
from http import HTTPMethod, HTTPStatus
from typing import Any, cast

import msgspec
import structlog
from litestar import Litestar
from litestar.events import BaseEventEmitterBackend
from litestar.types import HTTPScope, Message, Receive, Send

from veilbot_core.ports.ids import Ids
from veilbot_runners.api.errors import MEDIA_TYPE, Problem, methods
from veilbot_runners.api.load import Overloaded, Turnstile

_SANE = re.compile(rb"[A-Za-z0-9._~+/=-]{1,64}")
SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Headers of every answer, unless it brings its own."""
_VITAL = frozenset({"/healthz", "/readyz"})
"""Answered under any load."""
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class NoEvents(BaseEventEmitterBackend):
    """Carries no events, as there are none; Litestar's own backend keeps a task group open all the time."""

    async def __aexit__(self, *_: object) -> None:
        """Leave."""

    def emit(self, event_id: str, *_: object, **__: object) -> None:
        """Refuse: nobody would hear it."""
        raise NotImplementedError(event_id)


class Edge(Litestar):
    """Litestar with a request id and security headers on all answers, the errors of its own router included."""

    ids: Ids
    turnstile: Turnstile
    secure: bool = False
    """Whether the outside reaches us by HTTPS only."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
        """Serve one connection."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode() if _SANE.fullmatch(given) else self.ids.new().hex
        extra: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id.encode())]
        asked = scope["method"]
        if asked == HTTPMethod.HEAD:  # whatever can be got has a head (RFC 9110, 9.3.2)
            scope = {**scope, "method": "GET"}
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["headers"] = extra

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message["headers"])
                if asked == HTTPMethod.OPTIONS and message["status"] == HTTPStatus.NO_CONTENT:
                    known = ", ".join(methods(self, scope["path"])).encode()
                    own = [(b"allow", known), *(header for header in own if header[0].lower() != b"allow")]
                names = {name.lower() for name, _ in own}
                defaults = (*SECURITY, _HSTS) if self.secure else SECURITY
                message["headers"] = [*own, *extra, *(header for header in defaults if header[0] not in names)]
            elif asked == HTTPMethod.HEAD:
                message = cast("Message", {**message, "body": b""})
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["path"] in _VITAL:
                await super().__call__(scope, receive, dress)
            else:
                await self._admit(scope, receive, dress)

    async def _admit(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Serve a request if there is room for it."""
        try:
            visit = self.turnstile.enter(scope["headers"], scope["path"], scope["method"])
        except Overloaded as error:
            await _refuse(scope["state"]["request_id"], error, send)
            return

        async def hear() -> Any:  # noqa: ANN401 - a message of ASGI
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                self.turnstile.begin(visit)
            return message

        try:
            await super().__call__(scope, hear, send)
        finally:
            self.turnstile.leave(visit)


async def _refuse(request_id: str, error: Overloaded, send: Send) -> None:
    """Answer without the framework: this is for when there is no time for it."""
    status = HTTPStatus.SERVICE_UNAVAILABLE
    body = msgspec.json.encode(
        Problem(status.phrase, status.value, error.code, detail=error.message, request_id=request_id)
    )
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % (error.retry_after or 1)),
    ]
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
