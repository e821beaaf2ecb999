"""The contracts of the job queue and of the bus, over a real RabbitMQ."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from uuid import UUID

import pytest
from aio_pika.abc import AbstractIncomingMessage
from tests.peers.broker import FlakyConnection, ends, outside

from veilbot_adapters.rabbitmq import SharedRabbit
from veilbot_adapters.testing.bus import BusContract, BusSubject
from veilbot_adapters.testing.queue import JobQueueContract, JobQueueSubject
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId, UserId


def breaker(end: SharedRabbit) -> Callable[[], None]:
    """Return what lets the way seem to be broken for one call."""
    assert isinstance(end.connection, FlakyConnection)
    return end.connection.break_once


class TestJobQueue(JobQueueContract):
    @pytest.fixture
    async def subject(self, broker_url: str) -> AsyncIterator[JobQueueSubject]:
        async with ends(broker_url, 2) as (one, two):
            yield JobQueueSubject(queue=one.queue, other=two.queue, break_once=breaker(one))


def heard(message: AbstractIncomingMessage) -> Event:
    """Read a message as a subscriber does."""
    found = json.loads(message.body)
    assert message.message_id == found["id"]
    assert message.routing_key == message.type == found["type"]
    assert message.delivery_mode == 2
    return Event(
        id=EventId(UUID(found["id"])),
        type=EventType(found["type"]),
        subject=UUID(found["subject"]),
        user_id=UserId(UUID(found["user_id"])) if found["user_id"] else None,
        at=datetime.fromisoformat(found["at"]),
        data=found["data"],
    )


class TestBus(BusContract):
    @pytest.fixture
    async def subject(self, broker_url: str) -> AsyncIterator[BusSubject]:
        async with ends(broker_url) as (end,), outside(broker_url) as channel:
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(f"{end.connection.prefix}.events", "order.*")
            arrived: list[Event] = []

            async def hear(message: AbstractIncomingMessage) -> None:
                arrived.append(heard(message))

            await queue.consume(hear, no_ack=True)
            yield BusSubject(bus=end.bus, arrived=lambda: arrived, break_once=breaker(end))
