"""Connections beyond what memory bears are told so in one breath, and health is answered all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.waiting import PATIENCE

from veilbot_runners import serving

MOST = 20
GET = b"GET /%b HTTP/1.1\r\nhost: shop.test\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer anything with 200."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    stop = asyncio.Event()
    sock = serving.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(serving.serve_http(app, sock, stop, connections=MOST))
        yield sock.getsockname()[1]
        stop.set()


async def ask(port: int, path: bytes) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET % path)
    return await reader.readuntil(b"\r\n\r\n"), reader, writer


async def test_one_too_many_is_told_to_come_again_and_health_is_answered() -> None:
    async with served() as port:
        held = [await ask(port, b"") for _ in range(MOST)]
        assert all(head.startswith(b"HTTP/1.1 200") for head, _, _ in held)
        head, reader, writer = await ask(port, b"")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in head
        assert b"application/problem+json" in head
        body = await reader.read()
        assert b"content-length: %d\r\n" % len(body) in head
        assert b'"code": "unavailable"' in body
        writer.close()
        for path in (b"healthz", b"readyz"):
            answer, _, writer = await ask(port, path)
            assert answer.startswith(b"HTTP/1.1 200")
            writer.close()
        for _, _, writer in held:
            writer.close()
        async with asyncio.timeout(PATIENCE):  # until there is room again
            while not head.startswith(b"HTTP/1.1 200"):
                head, _, writer = await ask(port, b"")
                writer.close()


async def test_who_is_still_sending_can_read_the_answer_and_is_let_go_of() -> None:
    async with served() as port:
        held = [await ask(port, b"") for _ in range(MOST)]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /webhooks/stripe HTTP/1.1\r\ncontent-length: 90000000\r\n\r\n" + b"x" * 5_000_000)
        async with asyncio.timeout(PATIENCE):
            await writer.drain()
            assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
            while not writer.transport.is_closing():
                writer.write(b"x" * 1000)
                await asyncio.sleep(0.05)
        for _, _, one in held:
            one.close()
