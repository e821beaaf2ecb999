"""The body of the memory provider's webhooks: one JSON object."""

import json
from datetime import datetime
from uuid import UUID

from veilbot_core.domain.errors import InvalidInput, MalformedEvent
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.money import Money
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider

SIGNATURE = "memory-signature"
"""The header: seconds since 1970, a comma, hexadecimal HMAC-SHA256 over seconds, a dot and the body."""

TOLERANCE = 300
"""Seconds that a signature may be old, or ahead of our clock."""


def write(event: PaymentEvent) -> bytes:
    """Return the body that says ``event``."""
    return json.dumps(
        {
            "id": event.event_id,
            "happening": event.happening,
            "order": None if event.order_id is None else str(event.order_id),
            "external_id": event.external_id,
            "charge_id": event.charge_id,
            "amount": None if event.money is None else event.money.amount,
            "currency": None if event.money is None else event.money.currency,
            "at": event.at.isoformat(),
        }
    ).encode()


def read(provider: Provider, body: bytes) -> PaymentEvent | None:
    """Return what a body says; None when it is about something else. Raises MalformedEvent."""
    try:
        given = json.loads(body)
        if not isinstance(given, dict) or not isinstance(given["happening"], str):
            raise MalformedEvent
        if given["happening"] not in set(Happening):
            return None
        amount, order = given["amount"], given["order"]
        event = PaymentEvent(
            provider=provider,
            event_id=_text(given["id"]),
            happening=Happening(given["happening"]),
            order_id=None if order is None else OrderId(UUID(order)),
            external_id=_text(given["external_id"]),
            charge_id=None if given["charge_id"] is None else _text(given["charge_id"]),
            money=None if amount is None else Money(amount=amount, currency=given["currency"]),
            at=datetime.fromisoformat(given["at"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, InvalidInput):
        raise MalformedEvent from None
    if event.at.tzinfo is None:
        raise MalformedEvent
    return event


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedEvent
    return value
