"""Shared: what the workers of a shop have of one RabbitMQ, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from veilbot_adapters.rabbitmq.bus import RabbitBus
from veilbot_adapters.rabbitmq.connection import RabbitConnection
from veilbot_adapters.rabbitmq.queue import RabbitJobQueue


class SharedRabbit:
    """Two adapters on one connection; `open` it before they are used."""

    def __init__(self, connection: RabbitConnection) -> None:
        self.connection = connection
        self.queue = RabbitJobQueue(connection)
        self.bus = RabbitBus(connection)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect, declare everything, and stay connected until the end. Raises Unavailable, InvalidInput."""
        async with self.connection.open():
            await self.queue.declare()
            await self.bus.declare()
            yield
