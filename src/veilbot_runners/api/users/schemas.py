"""What the module users takes and shows."""

from typing import Annotated

from msgspec import Meta, Struct

from veilbot_core.domain.user import Language, User
from veilbot_runners.api.fields import Body, Id, Name, Time


class NewUser(Body, frozen=True):
    """A customer to be made by hand."""

    name: Name
    telegram_id: Annotated[int, Meta(ge=1, lt=2**52, examples=[123456789])] | None = None
    language: Language = Language.EN


class UserView(Struct, frozen=True):
    """A customer."""

    id: Id
    name: Annotated[str, Meta(examples=["Ann"])]
    telegram_id: Annotated[int | None, Meta(description="Null for a customer without Telegram.", examples=[123456789])]
    language: Language
    vip: bool
    blocked_at: Time | None
    unreachable_at: Annotated[Time | None, Meta(description="Since when Telegram refuses our messages to them.")]
    created_at: Time

    @classmethod
    def of(cls, user: User) -> "UserView":
        """Render."""
        return cls(
            id=user.id,
            name=user.name,
            telegram_id=user.telegram_id,
            language=user.language,
            vip=user.vip,
            blocked_at=user.blocked_at,
            unreachable_at=user.unreachable_at,
            created_at=user.created_at,
        )
