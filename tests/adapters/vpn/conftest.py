"""Servers to be met: the sandbox's good one, and bad ones that say what a test tells them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import pytest
from tests.waiting import PATIENCE

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.vpn.outline import OutlineProtocol
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec
from veilbot_runners.sandbox.certificate import Certificate, self_signed
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.outline_server import Outage, OutlineServer

CANARY = "S3cretPathCanary"
Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Stranger:
    """A TLS server that keeps every byte that it is sent and answers as ``act`` does."""

    def __init__(self, act: Act, certificate: Certificate) -> None:
        self.received = b""
        self.connections = 0
        self.certificate = certificate
        self.port = 0
        self._act = act
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def api_url(self) -> str:
        return f"https://127.0.0.1:{self.port}/{CANARY}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Stranger"]:
        context = self.certificate.context()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while data := await reader.read(65_536):
                self.received += data
                await self._act(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


Meet = Callable[[bytes | Act], Awaitable[Stranger]]


@pytest.fixture
async def meet() -> AsyncIterator[Meet]:
    """Start strangers; bytes are what one answers to every request."""
    async with AsyncExitStack() as stack:

        async def start(answer: bytes | Act) -> Stranger:
            async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                assert isinstance(answer, bytes)
                writer.write(answer)

            act = say if isinstance(answer, bytes) else answer
            return await stack.enter_async_context(Stranger(act, self_signed(b"stranger".ljust(32))).serving())

        yield start


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@asynccontextmanager
async def adapter(clock: MemoryClock, patience: float) -> AsyncIterator[OutlineProtocol]:
    limits = Limits(timeout=patience, wait=patience, attempts=1, fail_max=1000)
    protocol = OutlineProtocol(Guards(clock, MemoryIds(clock), limits), allow_private=True)
    yield protocol
    await protocol.close()


@pytest.fixture
async def outline(clock: MemoryClock) -> AsyncIterator[OutlineProtocol]:
    """The adapter without second attempts, and with patience: what answers may do so on a busy machine."""
    async with adapter(clock, PATIENCE) as protocol:
        yield protocol


@pytest.fixture
async def hasty(clock: MemoryClock) -> AsyncIterator[OutlineProtocol]:
    """The adapter with little patience, for those who never answer."""
    async with adapter(clock, 0.3) as protocol:
        yield protocol


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[OutlineSandbox]:
    async with OutlineSandbox({"nl": 0}) as sandbox:
        yield sandbox


@pytest.fixture
async def server(sandbox: OutlineSandbox) -> AsyncIterator[OutlineServer]:
    """A good server, empty and well."""
    yield sandbox.servers["nl"]
    sandbox.servers["nl"].state.keys.clear()
    sandbox.servers["nl"].delay = 0
    await sandbox.play("nl", Outage.NONE)


Reach = Callable[[OutlineServer | Stranger], Endpoint]


@pytest.fixture
def reach(outline: OutlineProtocol) -> Reach:
    """Make the endpoint of a server, pinned as its own installer would."""

    def endpoint(server: OutlineServer | Stranger, number: int = 1) -> Endpoint:
        sha = server.cert_sha256 if isinstance(server, OutlineServer) else server.certificate.sha256
        settings = outline.settings({"api_url": server.api_url, "cert_sha256": sha})
        return Endpoint(server_id=ServerId(UUID(int=number)), settings=settings)

    return endpoint


@pytest.fixture
def key() -> KeySpec:
    return KeySpec(id=KeyId(UUID(int=7)), name="Amsterdam 1 / NL", limit=1000)
