"""Facts: what happened, and the work that follows from each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

from veilbot_core.domain.ids import EventId, UserId
from veilbot_core.domain.jobs import JobKind


class EventType(StrEnum):
    """Names of the facts, as other systems see them."""

    USER_CREATED = "user.created"
    USER_BLOCKED = "user.blocked"
    USER_UNBLOCKED = "user.unblocked"
    ORDER_CREATED = "order.created"
    ORDER_PAID = "order.paid"
    ORDER_FULFILLED = "order.fulfilled"
    ORDER_CANCELED = "order.canceled"
    ORDER_HELD = "order.held"
    ORDER_REFUNDED = "order.refunded"
    PAYMENT_CREATED = "payment.created"
    PAYMENT_SUCCEEDED = "payment.succeeded"
    PAYMENT_FAILED = "payment.failed"
    PAYMENT_HELD = "payment.held"
    """It fits no order that waits for money; money that stops its order is told as `ORDER_HELD` alone."""
    PAYMENT_REFUNDED = "payment.refunded"
    PAYMENT_REFUND_FAILED = "payment.refund_failed"
    PAYMENT_DISPUTED = "payment.disputed"
    SUBSCRIPTION_CREATED = "subscription.created"
    SUBSCRIPTION_EXTENDED = "subscription.extended"
    SUBSCRIPTION_SHRUNK = "subscription.shrunk"
    SUBSCRIPTION_EXPIRED = "subscription.expired"
    SUBSCRIPTION_FROZEN = "subscription.frozen"
    SUBSCRIPTION_THAWED = "subscription.thawed"
    KEY_ISSUED = "key.issued"
    KEY_CHANGED = "key.changed"
    KEY_MOVED = "key.moved"
    KEY_EXPIRED = "key.expired"
    KEY_REVOKED = "key.revoked"
    KEY_REFUSED = "key.refused"
    SERVER_DOWN = "server.down"
    SERVER_UP = "server.up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact; ``data`` holds ids, numbers and codes, never a secret or a name."""

    id: EventId
    type: EventType
    subject: UUID
    """The noun that it is about."""
    user_id: UserId | None = None
    at: datetime
    data: Mapping[str, str | int | None] = field(default_factory=dict)


FOLLOW_UPS: Mapping[EventType, tuple[JobKind, ...]] = MappingProxyType(
    {
        EventType.ORDER_PAID: (JobKind.FULFIL_ORDER, JobKind.TELL_PAID),
        EventType.ORDER_FULFILLED: (JobKind.TELL_READY,),
        EventType.ORDER_HELD: (JobKind.TELL_HELD, JobKind.ALERT),
        EventType.ORDER_REFUNDED: (JobKind.TELL_REFUNDED,),
        EventType.PAYMENT_HELD: (JobKind.TELL_EXTRA, JobKind.ALERT),
        EventType.PAYMENT_REFUND_FAILED: (JobKind.TELL_REFUND_FAILED, JobKind.ALERT),
        EventType.PAYMENT_DISPUTED: (JobKind.ALERT,),
        EventType.KEY_MOVED: (JobKind.TELL_MOVED,),
        EventType.KEY_REFUSED: (JobKind.ALERT,),
        EventType.SERVER_DOWN: (JobKind.ALERT,),
        EventType.SERVER_UP: (JobKind.ALERT,),
    }
)
"""Each fact's durable work about its subject, written in the same transaction as the fact."""
