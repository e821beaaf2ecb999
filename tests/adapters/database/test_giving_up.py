"""A caller who gives up while a transaction begins leaves none open for whoever gets the connection next."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import make_url
from tests.contracts.storage.conftest import Bell, WallClock
from tests.contracts.storage.things import a_user

from veilbot_adapters.database import Database, connect


@asynccontextmanager
async def slow_way(url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Yield an address that leads to the same database, and the gate that holds back what is sent there."""
    real, gate = make_url(url), asyncio.Event()
    gate.set()

    async def carry(reader: StreamReader, writer: StreamWriter, *, held: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if held:
                    await gate.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        there, back = await asyncio.open_connection(real.host, real.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(carry(reader, back, held=True))
            group.create_task(carry(there, writer, held=False))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield real.set(host="127.0.0.1", port=port).render_as_string(hide_password=False), gate
    finally:
        server.close()


@asynccontextmanager
async def ended(url: str) -> AsyncIterator[Database]:
    """Yield a database that is closed afterwards."""
    database = connect(url, Bell(), WallClock())
    try:
        yield database
    finally:
        await database.close()


async def test_what_is_committed_afterwards_is_committed_for_everybody(postgres_url: str) -> None:
    user = a_user()
    async with slow_way(postgres_url) as (url, gate), ended(url) as database, ended(postgres_url) as elsewhere:
        await database.write(lambda uow: uow.users.add(a_user()))
        gate.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.write(lambda uow: uow.users.add(a_user())), 0.2)
        gate.set()
        await database.write(lambda uow: uow.users.add(user))
        assert await elsewhere.read(lambda uow: uow.users.get(user.id)) == user
