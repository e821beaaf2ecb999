"""Calls to the management API of one Outline server, and what its answers mean.

Facts of the API: ``api.yml`` of Shadowbox, corrected by calls to the real manager (its code for a missing key is
``NotFound``; for a wrong secret path it answers 404 ``ResourceNotFound``).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from veilbot_adapters.addresses import INSIDE
from veilbot_adapters.resilience import retry_after
from veilbot_adapters.vpn.pinning import MOST, PinnedTransport, PrivateAddress, TooLarge, WrongCertificate
from veilbot_core.domain.errors import Rejected, Unavailable, Unknown, because

_MOST = 2_000_000
_ABSENT = frozenset({"NotFound", "NotFoundError"})
_EXPECTED = frozenset({200, 201, 204, 405, 409})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the caller can use: 200, 201, 204, 404 (no such key), 405 or 409."""

    status: int
    body: Mapping[str, Any]


class OutlineApi:
    """One server; the secret path never leaves this class but in requests."""

    def __init__(self, api_url: str, cert_sha256: str, *, allow_private: bool) -> None:
        self._url = httpx.URL(api_url)
        self._base = self._url.raw_path
        self._transport = PinnedTransport(self._url, bytes.fromhex(cert_sha256), allow_private=allow_private)
        self._headers = [(b"Host", self._url.netloc), (b"Accept", b"application/json")]
        self.host = self._url.host

    async def call(self, method: str, path: str, body: object = None, *, most: int = _MOST) -> Reply:
        """Send a request; ``path`` begins with a slash, ``body`` is sent as JSON.

        Raises:
            Unavailable: it was not sent, or the server was busy (429) or broken (5xx).
            Unknown: it was sent and no answer came.
            Rejected: the server is another one, the secret path is wrong, or the answer is no API's.
        """
        headers, content = self._headers, b""
        if body is not None:
            headers, content = [*headers, (b"Content-Type", b"application/json")], json.dumps(body).encode()
        extensions = {"target": self._base + path.encode(), MOST: most}
        request = httpx.Request(method, self._url, headers=headers, content=content, extensions=extensions)
        try:
            response = await self._transport.handle_async_request(request)
        except httpx.TransportError as error:
            raise self._lost(error) from error
        except TooLarge as error:
            raise Rejected(f"{self.host} sends more than {most} bytes, as no Outline server does") from error
        return self._read(response)

    def drop(self) -> None:
        """Let go of the connections."""
        self._transport.drop()

    async def aclose(self) -> None:
        """End the connections."""
        await self._transport.aclose()

    def nonsense(self, what: str) -> Rejected:
        """Make the error for an answer that is not what the API promises."""
        return Rejected(f"{self.host} does not answer like an Outline server: {what}; check api_url")

    def _lost(self, error: httpx.TransportError) -> Unavailable | Unknown | Rejected:
        if isinstance(error, WrongCertificate):
            return Rejected(
                f"{self.host} shows another certificate than the pinned one: if the server was installed anew, give its"
                " new certSha256; if not, somebody stands in between"
            )
        if isinstance(error, PrivateAddress):
            return Rejected(f"{self.host} leads into {INSIDE}")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unavailable(f"{self.host} cannot be reached ({because(error)})")
        if isinstance(error, httpx.RemoteProtocolError):
            return self.nonsense("it does not speak HTTP as expected")
        return Unknown(f"the connection to {self.host} broke before it answered")

    def _read(self, response: httpx.Response) -> Reply:
        status = response.status_code
        if status in {408, 425, 429} or status >= 500:
            after = retry_after(response.headers)
            raise Unavailable(f"{self.host} cannot do it now (HTTP {status})", retry_after=after)
        if status == 204:
            return Reply(status, {})
        body = self._json(response)
        if status in _EXPECTED:
            return Reply(status, body)
        code = body.get("code")
        if status == 404 and code in _ABSENT:
            return Reply(status, body)
        if status in {401, 403, 404}:
            raise Rejected(f"{self.host} does not know this path: the secret in api_url is wrong, or not up to date")
        known = f" {code}" if isinstance(code, str) and code.isascii() and code.isalpha() and len(code) <= 40 else ""
        raise Rejected(f"{self.host} refused the request (HTTP {status}{known})")

    def _json(self, response: httpx.Response) -> Mapping[str, Any]:
        """Return the body's object; only of a success must there be one."""
        try:
            body = json.loads(response.content)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            return body
        if response.is_success:
            raise self.nonsense("the answer is no JSON object")
        return {}
