"""A load generator's HTTP client: kept connections, requests built before the clock starts, 20 us each."""

import asyncio
from collections.abc import Mapping
from typing import cast

import httptools


def request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a whole POST request as bytes."""
    given = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Line(asyncio.Protocol):
    """One connection that carries one exchange at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    async def send(self, data: bytes) -> tuple[int, bytes]:
        """Send a request and return status and body."""
        self._body = b""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._answer

    def close(self) -> None:
        """Let go."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read an answer."""
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail who waits."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the connection broke: {exc}"))

    def on_body(self, body: bytes) -> None:
        """Keep a piece (called by the parser)."""
        self._body += body

    def on_message_complete(self) -> None:
        """Hand over (called by the parser)."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((self._parser.get_status_code(), self._body))


async def connect(port: int, count: int) -> list[Line]:
    """Return open connections."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(Line, "127.0.0.1", port))[1] for _ in range(count)]
