"""Connections too many are told so in one breath, health is answered all the same, and none stays for nothing."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.waiting import PATIENCE

from veilbot_runners import serving
from veilbot_runners.connections import Bounds

MOST = 20
LONG = PATIENCE * 2
PIECES = [100_000] * 100
GET = b"GET /%b HTTP/1.1\r\nhost: shop.test\r\n\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer anything with 200, sooner or later."""
    if scope["type"] == "http":
        if scope["path"] == "/slow":
            await asyncio.sleep(0.5)
        if scope["path"] == "/long":
            await long(send)
            return
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    for stage in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{stage}.complete"})


async def long(send: Any) -> None:
    """Answer with more than lies between two sockets."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % sum(PIECES))]})
    for number, size in enumerate(PIECES, 1):
        await send({"type": "http.response.body", "body": b"x" * size, "more_body": number < len(PIECES)})


@asynccontextmanager
async def served(
    *, head: float = LONG, head_of_extra: float = LONG, body: float = LONG, deaf: float = LONG
) -> AsyncIterator[int]:
    stop = asyncio.Event()
    bounds = Bounds(most=MOST, head=head, head_of_extra=head_of_extra, body=body, deaf=deaf)
    sock = serving.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        group.create_task(serving.serve_http(app, sock, stop, bounds=bounds))
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


async def opened(port: int, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def answers(reader: asyncio.StreamReader) -> int:
    """Count those that come until the other side closes."""
    async with asyncio.timeout(PATIENCE):
        return (await reader.read()).count(b"HTTP/1.1 ")


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"P", b"GET / HTTP/1.1\r\nhost: a\r\nx: "], ids=repr)
async def test_who_does_not_ask_makes_room_for_who_does(begun: bytes) -> None:
    async with served(head=0.2) as port:
        held = [await opened(port, begun) for _ in range(MOST)]
        assert [await answers(reader) for reader, _ in held] == [0] * MOST
        head, _, writer = await ask(port, b"")
        assert head.startswith(b"HTTP/1.1 200")
        for one in (writer, *(one for _, one in held)):
            one.close()


@pytest.mark.parametrize("begun", [b"\r\n", b"G", b"GET / HTTP/1.1\r\nhost: a\r\nx: "], ids=repr)
async def test_nor_does_one_stay_that_asked_once_and_does_not_end_its_next_request(begun: bytes) -> None:
    async with served(head=0.2) as port:
        _, reader, writer = await ask(port, b"")
        writer.write(begun)
        assert await answers(reader) == 0
        writer.close()


async def test_sending_bit_by_bit_gives_no_more_time() -> None:
    async with served(head=0.2) as port:
        reader, writer = await opened(port, b"GET / HTTP/1.1\r\n")
        async with asyncio.timeout(PATIENCE):
            while not reader.at_eof():
                writer.write(b"a: b\r\n")
                await asyncio.sleep(0.02)
        writer.close()


async def test_a_request_that_is_whole_takes_the_time_that_it_needs() -> None:
    async with served(head=0.2) as port:
        reader, writer = await opened(port, GET % b"slow" + GET % b"slow")
        assert await answers(reader) == 2, "the second was here before the first was answered"
        writer.close()


async def test_a_silent_connection_too_many_stays_a_moment_only() -> None:
    async with served(head_of_extra=0.2) as port:
        held = [await ask(port, b"") for _ in range(MOST)]
        extra = [await opened(port, begun) for begun in (b"", b"GET /healthz HTTP/1.1\r\nhost: a\r\n")]
        assert [await answers(reader) for reader, _ in extra] == [0, 0]
        for writer in (*(one for *_, one in held), *(one for _, one in extra)):
            writer.close()


async def test_a_connection_too_many_is_answered_about_health_once_and_nothing_else() -> None:
    async with served() as port:
        held = [await ask(port, b"") for _ in range(MOST)]
        post = b"POST /webhooks/stripe HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
        for begun, rest in ((GET % b"healthz" + post, b""), (GET % b"healthz", post)):
            reader, writer = await opened(port, begun)
            writer.write(rest)
            assert await answers(reader) == 1
            writer.close()
        for *_, writer in held:
            writer.close()


async def room(port: int) -> None:
    """Wait until somebody else is served."""
    async with asyncio.timeout(PATIENCE):
        head = b""
        while not head.startswith(b"HTTP/1.1 200"):
            head, _, writer = await ask(port, b"")
            writer.close()


@pytest.mark.parametrize("ending", [b"", b"connection: close\r\n"], ids=["keeps alive", "closes"])
@pytest.mark.parametrize("path", [b"long", b"short"])
async def test_who_does_not_read_the_answer_makes_room_for_who_does(path: bytes, ending: bytes) -> None:
    """Whether the answer waits to be written, or is written and waits to be read."""
    asked = b"GET /%b HTTP/1.1\r\nhost: a\r\n%b\r\n" % (path, ending)
    async with served(head=0.2, deaf=0.2) as port:
        held = [await deaf(port, asked * (1 if path == b"long" else 100)) for _ in range(MOST)]
        await room(port)
        for sock in held:
            sock.close()


async def deaf(port: int, data: bytes) -> socket.socket:
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port))
    await loop.sock_sendall(sock, data)
    return sock


async def test_who_reads_slowly_gets_all_of_it() -> None:
    async with served(head=0.2, deaf=3.0) as port:
        reader, writer = await opened(port, GET % b"long")
        size = 0
        async with asyncio.timeout(PATIENCE):
            while piece := await reader.read(500_000):
                size += len(piece)
                await asyncio.sleep(0.25)
        assert size > sum(PIECES)
        writer.close()


async def test_a_body_that_does_not_come_makes_room_for_others() -> None:
    async with served(body=0.2) as port:
        begun = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx"
        held = [await opened(port, begun) for _ in range(MOST)]
        assert [await answers(reader) for reader, _ in held] == [0] * MOST
        await room(port)
        for _, writer in held:
            writer.close()
