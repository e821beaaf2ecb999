"""Connections to the HTTP server: as many as memory bears are read; further ones are told to come again."""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST = 1000
"""Open connections; each may hold 64 kB of a request before anybody looks at it."""
_VITAL = (b"GET /healthz ", b"GET /readyz ")
_LINGER = 2.0
"""Seconds in which a caller who is still sending can read the answer; an immediate close could destroy it."""


def _refusal() -> bytes:
    detail = "too many connections at once"
    body = json.dumps({"title": "Service Unavailable", "status": 503, "code": "unavailable", "detail": detail})
    head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nretry-after: 1"
    return f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\nconnection: close\r\n\r\n{body}".encode()


_REFUSAL = _refusal()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which reads nothing of what comes over a connection too many but a call for health.

    uvicorn's own limit refuses those calls too, in plain text, and after the request was read.
    """

    def __init__(self, *given: Any, most: int = MOST, **named: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        super().__init__(*given, **named)
        self._most = most
        self._extra = self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Count."""
        self._extra = len(self.connections) >= self._most
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read, refuse, or throw away what comes after a refusal."""
        if self._refused:
            return
        if self._extra and not data.startswith(_VITAL):
            self._refuse()
            return
        super().data_received(data)

    def _refuse(self) -> None:
        self._refused = True
        transport: Any = self.transport
        transport.write(_REFUSAL)
        if transport.can_write_eof():
            transport.write_eof()
        self.loop.call_later(_LINGER, transport.close)
