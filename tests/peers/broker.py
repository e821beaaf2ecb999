"""Ends of a real RabbitMQ, and a look at its queues from outside."""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel
from faststream.rabbit import RabbitBroker

from veilbot_adapters.rabbitmq import RabbitConnection, SharedRabbit
from veilbot_adapters.system import SystemClock

T = TypeVar("T")
_numbers = itertools.count(1)


def a_prefix() -> str:
    """Return a name that no other test has."""
    return f"veilbot-{os.getpid()}-{next(_numbers)}"


class FlakyConnection(RabbitConnection):
    """A way to a RabbitMQ that may seem to be away for one call."""

    breaks = False

    async def call(self, work: Callable[[RabbitBroker], Awaitable[T]]) -> T:
        if not self.breaks:
            return await super().call(work)
        self.breaks = False
        self._fell()
        try:
            return await super().call(work)
        finally:
            self._rose()

    def break_once(self) -> None:
        self.breaks = True


@asynccontextmanager
async def ends(url: str, count: int = 1, *, prefix: str | None = None) -> AsyncIterator[tuple[SharedRabbit, ...]]:
    """Yield the open ends of as many processes of one shop."""
    prefix = prefix or a_prefix()
    made = tuple(SharedRabbit(FlakyConnection(url, SystemClock(), prefix=prefix)) for _ in range(count))
    async with AsyncExitStack() as stack:
        for end in made:
            await stack.enter_async_context(end.open())
        yield made


@asynccontextmanager
async def outside(url: str) -> AsyncIterator[AbstractChannel]:
    """Yield a plain channel, as another system has one."""
    async with await aio_pika.connect(url) as connection:
        yield await connection.channel()


async def waiting(channel: AbstractChannel, queue: str) -> int:
    """Return how many messages wait in a queue."""
    found = await channel.declare_queue(queue, passive=True)
    return found.declaration_result.message_count or 0
