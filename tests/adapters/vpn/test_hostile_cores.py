"""A core may be replaced by anything that speaks HTTP/2: each call ends in time, and in one clear error."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from tests.adapters.vpn.test_v2ray import KEY, adapter, calls, reach
from tests.waiting import PATIENCE

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_core.domain.errors import PortError, Rejected, Unavailable, Unknown

STATE = b"\x08\x05\x10\x01\x50\x07"
"""Five goroutines (1), one collection (2), seven seconds (10): what both cores tell."""
COUNTED = pb.QueryStatsResponse(stat=[pb.Stat(name="user>>>1@veilbot>>>traffic>>>uplink", value=7)]).SerializeToString()
LISTED = pb.GetInboundUserResponse(users=[pb.User(email="1@veilbot")]).SerializeToString()


@pytest.fixture
async def vpn() -> AsyncIterator[V2RayProtocol]:
    async with adapter() as protocol:
        yield protocol


@pytest.fixture
async def hasty() -> AsyncIterator[V2RayProtocol]:
    """For answers without an end."""
    async with adapter(0.3) as protocol:
        yield protocol


class Impostor(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Says who it is, and to every other question the same."""

    def __init__(self, answer: bytes = b"", sentence: str = "") -> None:
        self._answer = answer
        self._sentence = sentence

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        asks_state = str(handler_call_details.method).endswith("GetSysStats")

        async def serve(_: bytes, context: grpc.aio.ServicerContext) -> bytes:
            if asks_state:
                return STATE
            if self._sentence:
                await context.abort(grpc.StatusCode.UNKNOWN, self._sentence)
            return self._answer

        return grpc.unary_unary_rpc_method_handler(serve)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = grpc.aio.server(options=(("grpc.max_metadata_size", 1 << 24),))
        server.add_generic_rpc_handlers((self,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        yield f"127.0.0.1:{port}"
        await server.stop(None)


@pytest.mark.parametrize("answer", [STATE, COUNTED, LISTED], ids=["state", "counted", "listed"])
async def test_an_answer_to_another_question_is_no_answer(vpn: V2RayProtocol, answer: bytes) -> None:
    async with Impostor(answer).serving() as api:
        endpoint = reach(vpn, api)
        asked: list[tuple[bytes, Callable[[], Awaitable[object]]]] = [
            (LISTED, lambda: vpn.list(endpoint)),
            (COUNTED, lambda: vpn.usage(endpoint)),
            (b"", lambda: vpn.issue(endpoint, KEY)),
            (b"", lambda: vpn.restore(endpoint, [KEY])),
            (b"", lambda: vpn.probe(endpoint)),
        ]
        for call in [call for expected, call in asked if answer != expected]:
            with pytest.raises(Rejected, match="does not answer like V2Ray or Xray"):
                await call()


@pytest.mark.parametrize("sentence", ["\x1b[2J\r\n\0 says no", "Я" * 900, "x" * 1_000_000, "<html>It works!</html>"])
async def test_a_sentence_is_short_and_plain_before_anybody_reads_it(vpn: V2RayProtocol, sentence: str) -> None:
    async with Impostor(sentence=sentence).serving() as api:
        for call in calls(vpn, reach(vpn, api)):
            with pytest.raises(PortError) as caught:
                await call()
            assert isinstance(caught.value, Rejected | Unavailable)
            assert len(caught.value.message) < 400
            assert caught.value.message.isprintable()


def frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """Return a frame of HTTP/2 (RFC 9113, 4.1)."""
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


SETTINGS, PING = frame(4, 0, 0), frame(6, 0, 0, b"8 octets")
BEGUN = frame(1, 4, 1, b"\x88\x5f\x10application/grpc")
"""Status 200 and the content type of gRPC (RFC 7541, appendix A: 8 and 31)."""


async def silent_pings(writer: asyncio.StreamWriter) -> None:
    """Answer nothing, and show signs of life for ever."""
    while not writer.transport.is_closing():
        writer.write(PING)
        await asyncio.sleep(0.02)


async def endless_answer(writer: asyncio.StreamWriter) -> None:
    """Promise 30 MB, and send them byte by byte."""
    writer.write(BEGUN + frame(0, 0, 1, b"\0" + (30_000_000).to_bytes(4, "big")))
    while not writer.transport.is_closing():
        writer.write(frame(0, 0, 1, b"x"))
        await asyncio.sleep(0.01)


async def large_promise(writer: asyncio.StreamWriter) -> None:
    """Promise 100 MB."""
    writer.write(BEGUN + frame(0, 0, 1, b"\0" + (100_000_000).to_bytes(4, "big") + b"x" * 1000))
    await asyncio.sleep(5)


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    """Begin headers, and go on with them for ever."""
    writer.write(frame(1, 0, 1, b"\x88"))
    while not writer.transport.is_closing():
        writer.write(frame(9, 0, 1, b"\x00\x01x\x7f\x81\x07" + b"y" * 1030))
        await writer.drain()
        await asyncio.sleep(0)


@asynccontextmanager
async def speaking(act: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve HTTP/2 as far as the first request."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            await reader.read(65_536)
            writer.write(SETTINGS)
            await act(writer)
        except ConnectionError:
            pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for writer in writers:
        writer.transport.abort()
    await asyncio.sleep(0.05)


@pytest.mark.parametrize("act", [silent_pings, endless_answer, large_promise, endless_headers])
async def test_an_answer_without_an_end_is_ended(
    hasty: V2RayProtocol, act: Callable[[asyncio.StreamWriter], Awaitable[None]]
) -> None:
    async with speaking(act) as api, asyncio.timeout(PATIENCE):
        for call in calls(hasty, reach(hasty, api)):
            with pytest.raises((Rejected, Unavailable, Unknown)):
                await call()
