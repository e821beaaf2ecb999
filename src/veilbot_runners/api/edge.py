"""The edge: what every request and every answer has, whatever happens in between."""

import re
from typing import Any

import structlog
from litestar import Litestar
from litestar.events import BaseEventEmitterBackend
from litestar.types import Message, Receive, Scope, Send

from veilbot_core.ports.ids import Ids

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
    secure: bool = False
    """Whether the outside reaches us by HTTPS only."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - as ASGI has it
        """Serve one connection."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode() if _SANE.fullmatch(given) else self.ids.new().hex
        extra: list[tuple[bytes, bytes]] = [(b"x-request-id", request_id.encode())]
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["headers"] = extra

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message["headers"])
                names = {name.lower() for name, _ in own}
                defaults = (*SECURITY, _HSTS) if self.secure else SECURITY
                message["headers"] = [*own, *extra, *(header for header in defaults if header[0] not in names)]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await super().__call__(scope, receive, dress)
