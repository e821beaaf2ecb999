"""Job queue in RabbitMQ: tickets in a durable quorum queue, and a place for those that nobody can use."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

from faststream import AckPolicy
from faststream.exceptions import RejectMessage
from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue

from veilbot_adapters.rabbitmq.connection import FAILURES, PAUSE, RabbitConnection, all_of
from veilbot_core.domain.ids import JobId
from veilbot_core.domain.jobs import JobKind, Ticket
from veilbot_core.ports.queue import JobQueue, Take

_DELIVERIES = 20  # after which a ticket whose takers all died is a dead letter; the lease brings its job back
_DEAD = 10_000  # dead letters kept, the newest


class RabbitJobQueue(JobQueue):
    """Tickets in ``veilbot.jobs``; garbage, and kinds of a newer version, lie in ``veilbot.dead`` for a person."""

    def __init__(self, connection: RabbitConnection, *, backlog: int = 500) -> None:
        """Prepare.

        Args:
            connection: the way there.
            backlog: tickets that may wait; with more, the last would wait longer than their lease.
        """
        self._connection = connection
        self._backlog = backlog
        dead = f"{connection.prefix}.dead"
        self._letters = RabbitExchange(dead, type=ExchangeType.FANOUT, durable=True)
        self._morgue = RabbitQueue(dead, queue_type=QueueType.QUORUM, durable=True, arguments={"x-max-length": _DEAD})
        self._queue = RabbitQueue(
            f"{connection.prefix}.jobs",
            queue_type=QueueType.QUORUM,
            durable=True,
            arguments={"x-dead-letter-exchange": dead, "x-delivery-limit": _DELIVERIES},
        )

    async def declare(self) -> None:
        """Make what is missing. Raises Unavailable, InvalidInput."""

        async def work(broker: RabbitBroker) -> None:
            letters = await broker.declare_exchange(self._letters)
            await (await broker.declare_queue(self._morgue)).bind(letters)
            await broker.declare_queue(self._queue)

        await self._connection.call(work)

    async def room(self) -> int:
        """Ask how many wait; declaring the queue again says so, and makes it anew if somebody deleted it."""

        async def work(broker: RabbitBroker) -> int:
            queue = await broker.declare_queue(self._queue)
            return (await queue.declare()).message_count or 0

        return max(0, self._backlog - await self._connection.call(work))

    async def put(self, tickets: Sequence[Ticket]) -> None:
        """Publish them side by side, and wait until a quorum has each on its disks."""

        async def publish(broker: RabbitBroker, ticket: Ticket) -> None:
            await broker.publish(
                _written(ticket),
                self._queue,
                persist=True,
                message_id=f"{ticket.id}.{ticket.fence}",
                message_type=ticket.kind,
                content_type="application/json",
            )

        await self._connection.call(lambda broker: all_of([publish(broker, ticket) for ticket in tickets]))

    @asynccontextmanager
    async def consume(self, take: Take, *, slots: int, drain: float) -> AsyncIterator[None]:
        """Let ``take`` have tickets; each is acknowledged when that returns."""
        running: set[asyncio.Task[object]] = set()

        async def receive(body: bytes) -> None:
            ticket = _read(body)
            if (task := asyncio.current_task()) is not None:
                running.add(task)
                task.add_done_callback(running.discard)
            await take(ticket)

        broker = self._connection.broker(Channel(prefetch_count=slots))
        subscriber = broker.subscriber(self._queue, ack_policy=AckPolicy.NACK_ON_ERROR, decoder=_raw, no_reply=True)
        subscriber(receive)
        try:
            async with asyncio.TaskGroup() as group:
                starting = group.create_task(self._start(broker))
                yield
                starting.cancel()
        finally:
            with suppress(*FAILURES):
                async with asyncio.timeout(self._connection.patience):
                    await subscriber.stop()
            await _drain(running, drain)
            await self._connection.end(broker)

    async def _start(self, broker: RabbitBroker) -> None:
        while True:
            try:
                async with asyncio.timeout(4 * self._connection.patience):
                    await broker.start()
            except FAILURES:
                await self._connection.clock.sleep(PAUSE)
            else:
                return


async def _drain(running: set[asyncio.Task[object]], seconds: float) -> None:
    if running:
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


async def _raw(message: RabbitMessage) -> bytes:
    return message.body


def _written(ticket: Ticket) -> bytes:
    """Write a ticket; ids and codes only."""
    return json.dumps(
        {
            "id": str(ticket.id),
            "fence": ticket.fence,
            "lease": ticket.lease.isoformat(),
            "kind": ticket.kind.value,
            "subject": str(ticket.subject),
            "detail": ticket.detail,
        }
    ).encode()


def _read(body: bytes) -> Ticket:
    """Read a ticket. Raises RejectMessage, which makes it a dead letter, for whatever is none."""
    try:
        found = json.loads(body)
        return Ticket(
            id=JobId(UUID(found["id"])),
            fence=int(found["fence"]),
            lease=datetime.fromisoformat(found["lease"]).astimezone(UTC),
            kind=JobKind(found["kind"]),
            subject=UUID(found["subject"]),
            detail=str(found["detail"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RejectMessage from None
