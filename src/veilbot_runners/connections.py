"""Connections to the HTTP server: as many as memory bears are read; further ones are told to come again.

None stays that asks for nothing, or does not hear the answer: whoever is silent, sends a request bit by bit, or reads
nothing would keep the others out.
"""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_VITAL = (b"GET /healthz ", b"GET /readyz ")
_LINGER = 2.0
"""Seconds in which a caller who is still sending can read the answer; an immediate close could destroy it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What connections may take."""

    most: int = 1000
    """Open at once; each may hold 64 kB of a request before anybody looks at it."""
    head: float = 10.0
    """Seconds in which the head of a request must have come: since it connected, or since the answer before."""
    head_of_extra: float = 2.0
    """The same on a connection too many."""
    body: float = 30.0
    """Seconds in which the rest of a request must have come."""
    deaf: float = 10.0
    """Seconds in which something of what waits to be read must have been taken."""


def _refusal() -> bytes:
    detail = "too many connections at once"
    body = json.dumps({"title": "Service Unavailable", "status": 503, "code": "unavailable", "detail": detail})
    head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nretry-after: 1"
    return f"HTTP/1.1 503 Service Unavailable\r\n{head}\r\nconnection: close\r\n\r\n{body}".encode()


_REFUSAL = _refusal()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which reads nothing of what comes over a connection too many but one call for health.

    uvicorn's own limit refuses those calls too, in plain text, and after the request was read. It has a time for a
    connection that is silent between two requests only, and forgets it with the first byte of the next one.
    """

    def __init__(self, *given: Any, bounds: Bounds, **named: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        super().__init__(*given, **named)
        self._bounds = bounds
        self._extra = self._refused = False
        self._end: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Count, and wait for a request."""
        self._extra = len(self.connections) >= self._bounds.most
        super().connection_made(transport)
        self._close_in(self._bounds.head_of_extra if self._extra else self._bounds.head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the times."""
        self._stay()
        self._heard()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, refuse, or throw away what comes after a refusal or an only request."""
        if self._refused or (self._extra and self.cycle is not None):
            return
        if self._extra and self.scope is None and not data.startswith(_VITAL):
            self._refuse()
            return
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Serve; what follows the only request of a connection too many is never begun, as it closes before."""
        super().on_headers_complete()
        self._close_in(self._bounds.body)
        if self._extra:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Take the time that the request needs, unless it was answered before its end."""
        super().on_message_complete()
        if not self.cycle.response_complete:
            self._stay()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless it is here already, or for the answer to be read."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None or self.transport.is_closing():
            self._close_in(self._bounds.head)

    def pause_writing(self) -> None:
        """See that the answer is read."""
        super().pause_writing()
        self._listen()

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        self._heard()

    def _refuse(self) -> None:
        self._refused = True
        transport: Any = self.transport
        transport.write(_REFUSAL)
        if transport.can_write_eof():
            transport.write_eof()
        self._close_in(_LINGER)

    def _close_in(self, seconds: float) -> None:
        self._stay()
        self._end = self.loop.call_later(seconds, self._close)

    def _close(self) -> None:
        """Close when what waits was read; a transport by itself would wait for that without end."""
        self.transport.close()
        self._listen()

    def _listen(self) -> None:
        """End a connection whose other side takes nothing of what waits for it."""
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() < left:
                self._listen()
            else:
                self.transport.abort()

        self._heard()
        self._look = self.loop.call_later(self._bounds.deaf, look)

    def _heard(self) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None

    def _stay(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
