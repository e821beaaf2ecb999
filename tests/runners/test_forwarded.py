"""Whose request it is, our own rules say: the HTTP server believes no header about it."""

import asyncio
from typing import Any

from veilbot_runners import serving

FORGED = b"GET / HTTP/1.1\r\nhost: shop.test\r\nx-forwarded-for: 203.0.113.9\r\nx-forwarded-proto: https\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what the server says about the client."""
    if scope["type"] == "http":
        told = f"{scope['scheme']} {scope['client'][0]}".encode()
        headers = [(b"content-length", b"%d" % len(told))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})
        return
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def test_an_address_in_a_header_of_a_neighbour_is_not_taken_for_his() -> None:
    stop = asyncio.Event()
    sock = serving.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(serving.serve_http(app, sock, stop))
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(FORGED)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(14) == b"http 127.0.0.1"
        writer.close()
        stop.set()
