"""A tunnel to a core whose bytes are late: what it has said comes out when another core has taken its place.

An answer that was sent before its sender died is as good as any other on the network, and nobody can tell. The tunnel
makes that moment as long as a test needs it.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_QUIET = 0.2
"""Seconds without a byte after which an answer is all there."""


class Tunnel:
    """Carries bytes between its own port and a core's."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._mark = b""
        self._meanwhile: Callable[[], Awaitable[None]] | None = None
        self._tasks = set[asyncio.Task[None]]()
        self.port = 0
        self.sprung = 0
        """How often something happened meanwhile."""

    def arm(self, mark: bytes, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Hold back the answer to the next request that contains ``mark``, and do something meanwhile.

        Then the answer comes, and the end of the connection with it.
        """
        self._mark, self._meanwhile = mark, meanwhile

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Tunnel"]:
        """Listen."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        asked = asyncio.Event()
        try:
            from_core, to_core = await asyncio.open_connection("127.0.0.1", self._core)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._there(reader, to_core, asked))
                group.create_task(self._back(from_core, writer, asked))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _there(self, reader: StreamReader, to_core: StreamWriter, asked: asyncio.Event) -> None:
        try:
            while data := await reader.read(65_536):
                if self._meanwhile and self._mark in data:
                    asked.set()
                to_core.write(data)
        finally:
            to_core.transport.abort()

    async def _back(self, from_core: StreamReader, writer: StreamWriter, asked: asyncio.Event) -> None:
        while data := await from_core.read(65_536):
            meanwhile = self._meanwhile
            if meanwhile and asked.is_set():
                self._meanwhile = None
                data += await _rest(from_core)
                await meanwhile()
                self.sprung += 1
                writer.write(data)
                writer.write_eof()
                return
            writer.write(data)
        writer.write_eof()


async def _rest(reader: StreamReader) -> bytes:
    """Read until nothing comes any more."""
    found = b""
    while True:
        try:
            async with asyncio.timeout(_QUIET):
                data = await reader.read(65_536)
        except TimeoutError:
            return found
        if not data:
            return found
        found += data
