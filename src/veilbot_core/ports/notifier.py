"""Notifier: telling people."""

from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable
from uuid import UUID

from veilbot_core.domain.money import Money
from veilbot_core.domain.user import Language, User


class Notice(StrEnum):
    """What there is to say to a customer."""

    PAID = "paid"
    READY = "ready"
    RENEWED = "renewed"
    HELD = "held"
    REFUNDED = "refunded"
    MOVED = "moved"
    REFUND_FAILED = "refund_failed"
    EXTRA = "extra"
    """Money for an order that waited for none."""
    EXPIRING = "expiring"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One key as a customer gets it; ``url`` is a secret."""

    name: str
    country: str
    url: str
    spent: bool = False
    """Whether its server has stopped it for its traffic, as far as we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A notice with what its text needs; the adapter owns the words, in every language."""

    notice: Notice
    language: Language
    tariff: str = ""
    ends_at: datetime | None = None
    link: str = ""
    """The subscription link; a secret."""
    keys: tuple[Access, ...] = field(default=())
    money: Money | None = None
    """What came or did not arrive, where the notice is about money alone."""
    subscription_id: UUID | None = None
    """For the buttons that belong to it."""
    order_id: UUID | None = None
    """Whose money it is about, if it is about an order's."""
    reminder: str = ""
    """Which reminder it is: ``3d``, ``1d``, ``1h``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Whom and what some trouble is about, as far as it is known; no field holds a secret."""

    reason: str = ""
    """Why, as it was written down for operators."""
    customer: str = ""
    """The name, and the Telegram account if there is one."""
    order_id: UUID | None = None
    tariff: str = ""
    money: Money | None = None
    payment: str = ""
    """The provider's id of the movement."""
    server: str = ""
    """Its name."""
    since: datetime | None = None


NOBODY = About()
"""About nobody that we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that needs a person; the adapter owns the words, and says what to do."""

    code: str
    """A fact's type (``order.held``), or ``order.waiting``, ``job.dead``, ``job.stuck``, ``sweep.failing`` ..."""
    subject: UUID
    about: About = NOBODY
    job_id: UUID | None = None
    """The dead job, to be tried again by this id."""
    work: str = ""
    """What kind of work it is that failed."""


class Delivery(StrEnum):
    """What became of a message."""

    TOLD = "told"
    UNREACHABLE = "unreachable"
    """The customer blocked the bot or has no chat; it waits under "My keys"."""


@runtime_checkable
class Notifier(Protocol):
    """Reaches customers and operators."""

    @abstractmethod
    async def tell(self, user: User, message: Message) -> Delivery:
        """Tell a customer; may be told twice after a crash, never zero times.

        Raises:
            Unavailable: try again later, after ``retry_after`` where it says so.
        """

    @abstractmethod
    async def alert(self, alert: Alert) -> None:
        """Tell every operator that something needs a person.

        Raises:
            Unavailable: try again later.
        """
