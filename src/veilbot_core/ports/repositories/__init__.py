"""The repositories of a unit of work: one per noun, each method a single statement or a few.

All methods are synchronous on purpose: a unit of work is a plain function that cannot await, so no call outward can
stand between its statements. ``get`` reads, ``lock`` reads and keeps others from changing the row until the end.
Pages are by key: ``after`` is the id of the last row seen, newest first.
"""

from veilbot_core.ports.repositories.access import Keys, Subscriptions
from veilbot_core.ports.repositories.goods import Servers, Tariffs
from veilbot_core.ports.repositories.people import ApiKeys, Users
from veilbot_core.ports.repositories.sales import Orders, Payments
from veilbot_core.ports.repositories.seals import Seals
from veilbot_core.ports.repositories.work import Jobs, Outbox, Replies, Turns

__all__ = [
    "ApiKeys",
    "Jobs",
    "Keys",
    "Orders",
    "Outbox",
    "Payments",
    "Replies",
    "Seals",
    "Servers",
    "Subscriptions",
    "Tariffs",
    "Turns",
    "Users",
]
