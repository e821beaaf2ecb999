"""An httpx transport for servers with self-signed certificates: it trusts one pinned certificate, by its SHA-256.

It resolves a name once and connects to the very address that it checked, follows nothing, reads no proxy from the
environment, and speaks HTTP/1.1 over a few kept connections.
"""

import asyncio
import ssl

import httpx

from veilbot_adapters.addresses import resolve
from veilbot_adapters.vpn.connection import Answer, AnswerTooLarge, BadAnswer, Connection

MOST = "most"
"""Request extension: how many bytes the body of the answer may have."""
_MOST = 2_000_000
_IDLE = 4.0
"""Seconds that an unused connection is kept; Outline's server drops it after 5."""


class WrongCertificate(httpx.ConnectError):
    """The server is not the one that was pinned; no byte of a request was sent."""


class PrivateAddress(httpx.ConnectError):
    """The host is inside a private network; nothing was sent."""


class TooLarge(httpx.DecodingError):
    """The answer is larger than was allowed."""


class PinnedTransport(httpx.AsyncBaseTransport):
    """Connections to one origin, all with the same certificate.

    Use it as the transport of an ``httpx.AsyncClient``, or call `handle_async_request` itself, which costs a fifth.
    """

    def __init__(self, url: httpx.URL, sha256: bytes, *, allow_private: bool, connect_timeout: float = 5.0) -> None:
        self._host = url.host
        self._port = url.port or 443
        self._pin = sha256
        self._allow_private = allow_private
        self._connect_timeout = connect_timeout
        self._context = _context()
        self._idle: list[Connection] = []
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer is complete when this returns.

        Raises:
            httpx.ConnectError: it was not sent; also WrongCertificate, PrivateAddress, httpx.ConnectTimeout.
            httpx.ReadError: it may have arrived.
            httpx.RemoteProtocolError, TooLarge: it arrived, and the answer is of no use.
        """
        content = await request.aread()
        connection = self._reuse() or await self._connect()
        try:
            answer = await connection.exchange(_bytes(request, content), request.extensions.get(MOST, _MOST))
        except ConnectionError as error:
            raise httpx.ReadError("the connection broke") from error
        except AnswerTooLarge as error:
            raise TooLarge("the answer is too large") from error
        except BadAnswer as error:
            raise httpx.RemoteProtocolError("the answer is not HTTP") from error
        self._keep(connection)
        return _response(answer, request)

    def drop(self) -> None:
        """End all connections that nobody uses; the others end after their exchange."""
        self._closed = True
        while self._idle:
            self._idle.pop().abort()

    async def aclose(self) -> None:
        """End the connections and let the loop see it."""
        self.drop()
        await asyncio.sleep(0)

    def _reuse(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_until is not None:
                connection.idle_until.cancel()
            if connection.open:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if not connection.open:
            connection.abort()
        elif self._closed:
            connection.close()
        else:
            self._idle.append(connection)
            connection.idle_until = asyncio.get_running_loop().call_later(_IDLE, self._expire, connection)

    def _expire(self, connection: Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
            connection.close()

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout):
                addresses = await resolve(self._host, self._port, allow_private=self._allow_private)
                if not addresses:
                    raise PrivateAddress("the host is inside a private network")
                connection = await self._connect_to(addresses)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except OSError as error:  # ssl.SSLError and socket.gaierror are OSErrors
            raise httpx.ConnectError("no connection") from error
        if not connection.trusted:
            raise WrongCertificate("the server shows another certificate than the pinned one")
        if not connection.open:
            raise httpx.ConnectError("the connection broke at once")
        return connection

    async def _connect_to(self, addresses: list[str]) -> Connection:
        loop = asyncio.get_running_loop()
        for last, address in enumerate(addresses, start=1 - len(addresses)):
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(self._pin), address, self._port, ssl=self._context, server_hostname=self._host
                )
            except OSError:
                if not last:
                    raise
            else:
                return connection
        raise AssertionError(addresses)


def _context() -> ssl.SSLContext:
    """Return a context that proves the server's key and leaves the judgement of its certificate to the pin."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _bytes(request: httpx.Request, content: bytes) -> bytes:
    target = request.extensions.get("target") or request.url.raw_path
    lines = [b"%b %b HTTP/1.1\r\n" % (request.method.encode(), target)]
    lines += [b"%b: %b\r\n" % header for header in request.headers.raw]
    head = b"".join(lines)
    if head.count(b"\n") != len(lines):
        raise httpx.LocalProtocolError("a line break inside the head of a request")
    return b"%b\r\n%b" % (head, content)


def _response(answer: Answer, request: httpx.Request) -> httpx.Response:
    if any(name.lower() == b"content-encoding" for name, _ in answer.headers):  # httpx would unpack any bomb
        raise httpx.RemoteProtocolError("the answer is encoded, which was not asked for")
    return httpx.Response(answer.status, headers=answer.headers, content=answer.body, request=request)
