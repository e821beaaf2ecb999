"""User: a customer."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from veilbot_core.domain.ids import UserId


class Language(StrEnum):
    """Languages of the customer texts."""

    EN = "en"
    RU = "ru"

    @classmethod
    def of(cls, tag: str | None) -> "Language":
        """Return the closest language to an IETF tag; the languages of Russia's neighbours read Russian."""
        return cls.RU if (tag or "").split("-")[0].lower() in {"ru", "be", "uk", "kk", "ky", "tg", "uz"} else cls.EN


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A customer; ``telegram_id`` is one way to reach them, an API customer may have none."""

    id: UserId
    telegram_id: int | None
    name: str
    language: Language
    vip: bool = False
    blocked_at: datetime | None = None
    unreachable_at: datetime | None = None
    """Since when Telegram refuses our messages to them; what they missed waits under "My keys"."""
    created_at: datetime

    def block(self, at: datetime) -> "User":
        """Shut this customer out; a second time changes nothing."""
        return self if self.blocked_at else replace(self, blocked_at=at)

    def unblock(self) -> "User":
        """Let this customer in again."""
        return replace(self, blocked_at=None)

    def lost(self, at: datetime) -> "User":
        """Remember that messages do not arrive."""
        return self if self.unreachable_at else replace(self, unreachable_at=at)
