"""What the module admin takes and shows."""

from typing import Annotated

from msgspec import Meta, Struct

from veilbot_core.domain.apikey import SCOPES, ApiKey
from veilbot_core.domain.jobs import JobKind
from veilbot_core.services.notices import DeadJob
from veilbot_runners.api.fields import Body, Days, Id, Name, Time

Scope = Annotated[
    str, Meta(max_length=32, description="One of " + ", ".join(sorted(SCOPES)) + ".", examples=["users:read"])
]


class NewApiKey(Body, frozen=True):
    """An API key to be made."""

    name: Name
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=20)]
    days: Annotated[Days | None, Meta(description="How long it lives; for ever unless given.")] = None


class ApiKeyView(Struct, frozen=True):
    """An API key without its secret."""

    id: Id
    name: str
    hint: Annotated[str, Meta(description="Its first characters.", examples=["vb_Ab3dE"])]
    scopes: list[str]
    expires_at: Time | None
    revoked_at: Time | None
    created_at: Time

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyView":
        """Render."""
        return cls(
            id=key.id,
            name=key.name,
            hint=key.hint,
            scopes=sorted(key.scopes),
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            created_at=key.created_at,
        )


class MadeApiKey(Struct, frozen=True):
    """A new API key."""

    key: ApiKeyView
    secret: Annotated[
        str | None, Meta(description="Shown this once; null when the same request is sent again.", examples=["vb_..."])
    ]


class JobView(Struct, frozen=True):
    """Work that was tried too often and waits for a person."""

    id: Id
    kind: JobKind
    subject: Annotated[Id, Meta(description="What it is about: an order, a key, a server ...")]
    detail: str
    attempts: int
    error: Annotated[str, Meta(description="Why it failed last.")]
    customer: Annotated[str, Meta(description="For whom, if that is known.", examples=["Ann (Telegram 7)"])]
    server: Annotated[str, Meta(description="On which server, if on one.")]
    order_id: Id | None
    created_at: Time

    @classmethod
    def of(cls, dead: DeadJob) -> "JobView":
        """Render."""
        job, about = dead.job, dead.about
        return cls(
            id=job.id,
            kind=job.kind,
            subject=job.subject,
            detail=job.detail,
            attempts=job.attempts,
            error=job.error,
            customer=about.customer,
            server=about.server,
            order_id=about.order_id,
            created_at=job.created_at,
        )
