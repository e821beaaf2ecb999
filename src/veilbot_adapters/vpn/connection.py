"""One HTTP/1.1 connection over TLS that trusts a pinned certificate and nothing else.

httpx over httpcore takes about 780 us of CPU for one small call, this 65; a purchase may cost 1100 in all.
"""

import asyncio
import hashlib
import hmac
import ssl
from dataclasses import dataclass
from typing import cast

import httptools

_HEAD = 65_536
"""Bytes that may come beside the body: status line, headers, chunk sizes."""


class AnswerTooLarge(Exception):
    """The answer is larger than the caller will take."""


class BadAnswer(Exception):
    """The answer is not HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time.

    The certificate is compared as soon as the handshake has proved that the server holds its key, before any byte of
    a request is written; a wrong one ends the connection.
    """

    def __init__(self, pin: bytes) -> None:
        self.trusted = False
        """Whether the certificate is the pinned one."""
        self.open = False
        """Whether it can carry another exchange."""
        self.idle_until: asyncio.TimerHandle | None = None
        """Ends it when nobody needs it."""
        self._pin = pin
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._left = 0

    async def exchange(self, request: bytes, most: int) -> Answer:
        """Send a request and return the answer, whose body has at most ``most`` bytes.

        Raises:
            ConnectionError: the connection broke; the request may have arrived.
            AnswerTooLarge, BadAnswer: it arrived, and the answer is of no use.
        """
        self._headers, self._body, self._left = [], [], most + _HEAD
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            if not self._answer.done() or self._answer.cancelled() or self._answer.exception():
                self.abort()
            self._answer = None

    def abort(self) -> None:
        """End the connection at once."""
        self.open = False
        self._transport.abort()

    def close(self) -> None:
        """End the connection in good order."""
        self.open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Compare the certificate; asyncio calls this after the TLS handshake."""
        self._transport = cast(asyncio.Transport, transport)
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        shown = tls.getpeercert(binary_form=True) or b""
        self.trusted = self.open = hmac.compare_digest(hashlib.sha256(shown).digest(), self._pin)
        if not self.trusted:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; bytes that nobody asked for end the connection."""
        self._left -= len(data)
        if self._answer is None:
            self.abort()
        elif self._left < 0:
            self._fail(AnswerTooLarge())
        else:
            try:
                self._parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                self.open = False
                self._fail(BadAnswer())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self.open = False
        if self.idle_until is not None:
            self.idle_until.cancel()
        broken = ConnectionError("the connection broke")
        broken.__cause__ = exc
        self._fail(broken)

    def on_message_begin(self) -> None:
        """Notice an answer that nobody asked for, even a piece of one (called by the parser)."""
        if self._answer is None or self._answer.done():
            self.open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header (called by the parser)."""
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body (called by the parser)."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand over the answer (called by the parser); an interim one (100 Continue) is not it."""
        status = self._parser.get_status_code()
        if status < 200:
            self._headers, self._body = [], []
            return
        self.open = self.open and self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(status, self._headers, b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
