"""Bus in RabbitMQ: facts on a topic exchange, for whoever binds a queue to it."""

import json
from collections.abc import Sequence
from functools import partial

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange

from veilbot_adapters.rabbitmq.connection import RabbitConnection, all_of
from veilbot_core.domain.events import Event
from veilbot_core.ports.bus import Bus

_TOGETHER = 50  # facts that are under way at once, so that a slow RabbitMQ is in time with each lot, and gets on


class RabbitBus(Bus):
    """Publishes on ``veilbot.events``, with the event's type as routing key and its id as message id."""

    def __init__(self, connection: RabbitConnection) -> None:
        self._connection = connection
        self._exchange = RabbitExchange(f"{connection.prefix}.events", type=ExchangeType.TOPIC, durable=True)

    async def declare(self) -> None:
        """Make the exchange if it is missing. Raises Unavailable, InvalidInput."""

        async def work(broker: RabbitBroker) -> None:
            await broker.declare_exchange(self._exchange)

        await self._connection.call(work)

    async def publish(self, events: Sequence[Event]) -> None:
        """Hand facts over, in this order; RabbitMQ has them in every queue that is bound when this returns."""

        async def publish(broker: RabbitBroker, event: Event) -> None:
            await broker.publish(
                written(event),
                exchange=self._exchange,
                routing_key=event.type,
                mandatory=False,  # nobody has to listen
                persist=True,
                message_id=str(event.id),
                message_type=event.type,
                timestamp=event.at,
                content_type="application/json",
            )

        async def lot(broker: RabbitBroker, some: Sequence[Event]) -> None:
            await all_of(publish(broker, event) for event in some)

        for start in range(0, len(events), _TOGETHER):
            await self._connection.call(partial(lot, some=events[start : start + _TOGETHER]))


def written(event: Event) -> bytes:
    """Write a fact as other systems get it."""
    return json.dumps(
        {
            "id": str(event.id),
            "type": event.type.value,
            "subject": str(event.subject),
            "user_id": None if event.user_id is None else str(event.user_id),
            "at": event.at.isoformat(),
            "data": dict(event.data),
        },
        ensure_ascii=False,
    ).encode()
