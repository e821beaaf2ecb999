"""Only the pinned certificate is trusted, before the first byte of a request, on every connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_adapters.vpn.pinning import PinnedTransport, PrivateAddress, WrongCertificate
from veilbot_core.domain.errors import Rejected, Unavailable
from veilbot_core.ports.vpn import Endpoint, KeySpec
from veilbot_runners.sandbox.certificate import Certificate, self_signed
from veilbot_runners.sandbox.outline_server import OutlineServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def transport(url: str, sha256: str, *, allow_private: bool = True) -> PinnedTransport:
    return PinnedTransport(httpx.URL(url), bytes.fromhex(sha256), allow_private=allow_private)


async def test_it_serves_an_httpx_client(server: OutlineServer) -> None:
    pinned = transport(server.api_url, server.cert_sha256)
    async with httpx.AsyncClient(transport=pinned, base_url=server.api_url) as client:
        for _ in range(3):
            assert (await client.get("/server")).json()["name"] == "nl"
        assert (await client.post("/access-keys", json={"name": "by hand"})).status_code == 201


@pytest.mark.parametrize("wrong", ["0" * 64, "f" * 64])
async def test_an_impostor_gets_no_byte(meet: Callable[..., Awaitable[object]], wrong: str) -> None:
    impostor = await meet(OK)
    async with transport(impostor.api_url, wrong) as pinned:  # type: ignore[attr-defined]
        for _ in range(3):
            with pytest.raises(WrongCertificate):
                await pinned.handle_async_request(httpx.Request("GET", impostor.api_url))  # type: ignore[attr-defined]
    assert impostor.received == b""  # type: ignore[attr-defined]


async def test_the_operator_is_told_what_to_do(
    outline: OutlineProtocol, meet: Callable[..., Awaitable[object]], reach: Callable[[object], Endpoint], key: KeySpec
) -> None:
    impostor = await meet(OK)
    endpoint = reach(impostor)
    impostor.certificate = self_signed(b"elsewhere".ljust(32))  # type: ignore[attr-defined]
    wrong = reach(impostor)
    assert wrong.settings != endpoint.settings
    for call in (outline.issue(wrong, key), outline.revoke(wrong, key.id), outline.list(wrong), outline.probe(wrong)):
        with pytest.raises(Rejected, match="give its new certSha256"):
            await call
    assert impostor.received == b""  # type: ignore[attr-defined]


async def test_a_certificate_that_is_replaced_is_noticed_on_the_next_connection(
    outline: OutlineProtocol, server: OutlineServer, reach: Callable[[object], Endpoint]
) -> None:
    port, good = free_port(), self_signed(b"good".ljust(32))
    endpoint = Endpoint(
        server_id=reach(server).server_id,
        settings=outline.settings({"api_url": f"https://127.0.0.1:{port}/secret", "cert_sha256": good.sha256}),
    )
    async with serving(good, port) as received:
        with pytest.raises(Rejected, match="Outline"):  # {} is no list, but it was trusted
            await outline.list(endpoint)
        assert b"/secret/access-keys" in received
    async with serving(self_signed(b"bad".ljust(32)), port) as received:
        with pytest.raises(Rejected, match="certificate"):
            await outline.list(endpoint)
        assert received == b""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(certificate: Certificate, port: int) -> AsyncIterator[bytearray]:
    """Serve one answer per connection and keep what was sent."""
    received, writers = bytearray(), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        received.extend(await reader.read(65_536))
        writer.write(OK)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=certificate.context())
    try:
        yield received
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)


async def test_a_server_that_speaks_no_tls_gets_no_request(server: OutlineServer) -> None:
    received = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read(65_536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}/secretpath"
    async with transport(url, server.cert_sha256) as pinned:
        with pytest.raises(httpx.ConnectError):
            await pinned.handle_async_request(httpx.Request("GET", url))
    plain.close()
    assert b"secretpath" not in received


async def test_a_name_that_leads_inside_is_refused_where_it_is_resolved(server: OutlineServer) -> None:
    """``localhost`` stands for a name whose address changed after the settings were checked."""
    url = server.api_url.replace("127.0.0.1", "localhost")
    async with transport(url, server.cert_sha256, allow_private=False) as pinned:
        with pytest.raises(PrivateAddress):
            await pinned.handle_async_request(httpx.Request("GET", url + "/server"))
    async with transport(url, server.cert_sha256) as pinned:
        response = await pinned.handle_async_request(httpx.Request("GET", url + "/server"))
        assert response.status_code == 200


async def test_a_name_that_does_not_exist_is_no_connection(
    outline: OutlineProtocol, server: OutlineServer, reach: Callable[[object], Endpoint]
) -> None:
    settings = {"api_url": "https://no.such.name.invalid:1/x", "cert_sha256": server.cert_sha256}
    endpoint = Endpoint(server_id=reach(server).server_id, settings=outline.settings(settings))
    with pytest.raises(Unavailable):
        await outline.probe(endpoint)


async def test_a_connection_that_takes_too_long_is_given_up(server: OutlineServer) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # the handshake is never answered
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/x"
        pinned = PinnedTransport(
            httpx.URL(url), bytes.fromhex(server.cert_sha256), allow_private=True, connect_timeout=0.1
        )
        with pytest.raises(httpx.ConnectTimeout):
            await pinned.handle_async_request(httpx.Request("GET", url))


async def test_a_line_break_does_not_leave_the_head(server: OutlineServer) -> None:
    async with transport(server.api_url, server.cert_sha256) as pinned:
        smuggled = httpx.Request("GET", server.api_url, extensions={"target": b"/ HTTP/1.1\r\nX: y\r\n\r\nGET /"})
        with pytest.raises(httpx.LocalProtocolError):
            await pinned.handle_async_request(smuggled)
