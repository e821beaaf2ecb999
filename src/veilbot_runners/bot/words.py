"""Words: what the bot needs of the texts, whoever wrote them."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from veilbot_core.domain.money import Money
from veilbot_core.domain.user import Language, User


class Words(Protocol):
    """Every text in every language, as HTML, arguments escaped."""

    @abstractmethod
    def __call__(self, language: Language, name: str, /, **values: str | int) -> str:
        """Return a text."""

    @abstractmethod
    def html(self, text: str) -> str:
        """Mark text as HTML already, so that it is not escaped again."""

    @abstractmethod
    def country(self, language: Language, code: str) -> str:
        """Return a country with its flag."""

    @abstractmethod
    def day(self, language: Language, moment: datetime) -> str:
        """Return a date without a year."""

    @abstractmethod
    def moment(self, language: Language, moment: datetime) -> str:
        """Return date and time."""

    @abstractmethod
    def traffic(self, language: Language, amount: int) -> str:
        """Return an amount of bytes."""

    @abstractmethod
    def money(self, language: Language, money: Money) -> str:
        """Return an amount of money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One step of one customer: who, when, and what was chosen."""

    user: User
    name: str
    """What to call the customer."""
    now: datetime
    words: Words
    ids: tuple[UUID, ...] = ()
    choice: str = ""

    @property
    def language(self) -> Language:
        """The customer's language."""
        return self.user.language

    def say(self, name: str, /, **values: str | int) -> str:
        """Return a text in the customer's language."""
        return self.words(self.user.language, name, **values)

    def join(self, *parts: str, by: str = "\n\n") -> str:
        """Put texts together that are HTML already."""
        return self.words.html(by.join(part for part in parts if part))
