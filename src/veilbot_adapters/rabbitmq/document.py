"""Document: the facts on the topic exchange, in AsyncAPI, as FastStream writes it."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from faststream.rabbit import ExchangeType, RabbitBroker, RabbitExchange
from faststream.specification import AsyncAPI
from pydantic import AwareDatetime, BaseModel, Field

from veilbot_core.domain.events import EventType

MEANINGS: Mapping[EventType, str] = MappingProxyType(
    {
        EventType.USER_CREATED: "A customer came for the first time.",
        EventType.USER_BLOCKED: "An operator shut a customer out.",
        EventType.USER_UNBLOCKED: "An operator let a customer in again.",
        EventType.ORDER_CREATED: "A customer decided to buy; amount and currency are the frozen price.",
        EventType.ORDER_PAID: "The money for an order is there, as much as was asked for.",
        EventType.ORDER_FULFILLED: "Every key of a paid order works.",
        EventType.ORDER_CANCELED: "An order ended without money.",
        EventType.ORDER_HELD: "A person has to decide about an order; reason says why.",
        EventType.ORDER_REFUNDED: "All the money of an order went back.",
        EventType.PAYMENT_CREATED: "A provider told of a movement of money, which is booked now.",
        EventType.PAYMENT_SUCCEEDED: "A charge fits its order.",
        EventType.PAYMENT_FAILED: "An attempt to pay failed; the order, which is the subject, stays open.",
        EventType.PAYMENT_HELD: "Money came that fits no order; reason says why.",
        EventType.PAYMENT_REFUNDED: "Money went back, all of it or a part.",
        EventType.PAYMENT_REFUND_FAILED: "A refund did not reach the customer; a person must act.",
        EventType.PAYMENT_DISPUTED: "A customer's bank claims money back.",
        EventType.SUBSCRIPTION_CREATED: "A customer has a new subscription.",
        EventType.SUBSCRIPTION_EXTENDED: "A subscription ends later than before.",
        EventType.SUBSCRIPTION_SHRUNK: "A subscription ends sooner, after a refund.",
        EventType.SUBSCRIPTION_EXPIRED: "A subscription ended; its keys go away after the grace.",
        EventType.SUBSCRIPTION_FROZEN: "A subscription gives nothing while its payment is disputed.",
        EventType.SUBSCRIPTION_THAWED: "A dispute was won, and a subscription gives again.",
        EventType.KEY_ISSUED: "A key works on its server.",
        EventType.KEY_CHANGED: "A key's traffic limit is another one on its server.",
        EventType.KEY_MOVED: "A key took the place of one on another server, which goes.",
        EventType.KEY_EXPIRED: "A key is taken away because its subscription ended.",
        EventType.KEY_REVOKED: "A key is gone from its server.",
        EventType.KEY_REFUSED: "A server refused a key; a person must act.",
        EventType.SERVER_DOWN: "A server does not answer.",
        EventType.SERVER_UP: "A server answers again.",
    }
)


class Fact(BaseModel):
    """Something that happened in the shop. It holds ids, numbers and codes, never a secret or a name."""

    id: UUID = Field(description="Of the fact; the same one if it comes again. It is the message id, too.")
    type: str = Field(description="What happened; the routing key.")
    subject: UUID = Field(description="The noun that it is about: the first half of the type says what that is.")
    user_id: UUID | None = Field(description="The customer, if there is one.")
    at: AwareDatetime = Field(description="When it happened.")
    data: dict[str, str | int | None] = Field(description="What else there is to know about it.")


def document(version: str, *, prefix: str = "veilbot") -> dict[str, Any]:
    """Return the AsyncAPI document of the exchange; it names no real address."""
    broker = RabbitBroker("amqp://broker:5672/", apply_types=False, logger=None, description="Your shop's RabbitMQ.")
    exchange = RabbitExchange(f"{prefix}.events", type=ExchangeType.TOPIC, durable=True)
    for kind, meaning in MEANINGS.items():
        broker.publisher(
            exchange=exchange,
            routing_key=kind.value,
            mandatory=False,
            persist=True,
            title=kind.value,
            description=meaning,
            schema=Fact,
        )
    says = "Facts of a VeilBot shop. Each comes at least once; order is kept unless a message had to be sent again."
    specification = AsyncAPI(broker, title="VeilBot events", version=version, description=says, schema_version="3.0.0")
    found: dict[str, Any] = json.loads(specification.to_specification().to_json())
    return {**found, "channels": dict(sorted(found["channels"].items()))}  # FastStream keeps publishers in a set
