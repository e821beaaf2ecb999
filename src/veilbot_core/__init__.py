"""VeilBot's core: the whole shop in the standard library alone; it knows no framework, no wire and no clock."""

from veilbot_core.application import Application
from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PaymentError,
    PortError,
    Refused,
    Rejected,
    Unavailable,
    Unknown,
    VeilbotError,
    VpnError,
)
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import Key, KeyState
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentEvent, Provider, Receipt
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.domain.subscription import Grant, Subscription
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_core.domain.user import Language, User

__all__ = [
    "ApiKey",
    "Application",
    "Conflict",
    "Event",
    "EventType",
    "Grant",
    "InvalidInput",
    "Job",
    "JobKind",
    "Key",
    "KeyState",
    "Language",
    "Money",
    "NotFound",
    "Order",
    "OrderStatus",
    "Payment",
    "PaymentError",
    "PaymentEvent",
    "Policy",
    "PortError",
    "Protocol",
    "Provider",
    "Receipt",
    "Refused",
    "Rejected",
    "Server",
    "ServerStatus",
    "Subscription",
    "Tariff",
    "Terms",
    "Unavailable",
    "Unknown",
    "User",
    "VeilbotError",
    "VpnError",
]
