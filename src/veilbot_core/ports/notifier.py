"""Notifier: telling people."""

from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable
from uuid import UUID

from veilbot_core.domain.user import Language, User


class Notice(StrEnum):
    """What there is to say to a customer."""

    PAID = "paid"
    READY = "ready"
    RENEWED = "renewed"
    HELD = "held"
    REFUNDED = "refunded"
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
    subscription_id: UUID | None = None
    """For the buttons that belong to it."""
    reminder: str = ""
    """Which reminder it is: ``3d``, ``1d``, ``1h``."""


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
    async def alert(self, code: str, subject: UUID, detail: str) -> None:
        """Tell every operator that something needs a person.

        ``code`` is a fact's type (``order.held``); ``detail`` holds no secret.

        Raises:
            Unavailable: try again later.
        """
