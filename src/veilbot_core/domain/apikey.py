"""API key: how another program proves who it is and what it may do."""

from dataclasses import dataclass, replace
from datetime import datetime

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.ids import ApiKeyId

SCOPES = frozenset(
    f"{module}:{right}" for module in ("users", "billing", "vpn", "admin") for right in ("read", "write")
) | {"*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the HTTP API; the secret itself is shown once and never stored."""

    id: ApiKeyId
    name: str
    digest: str
    hint: str
    """The first characters, to recognise it by."""
    scopes: frozenset[str]
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    created_at: datetime

    def __post_init__(self) -> None:
        """Refuse unknown scopes, which would promise what nobody checks."""
        if unknown := sorted(self.scopes - SCOPES):
            raise InvalidInput(f"unknown scope {unknown[0]!r}; there are {', '.join(sorted(SCOPES))}", field="scopes")
        if not self.scopes:
            raise InvalidInput("a key needs at least one scope", field="scopes")
        if not 1 <= len(self.name) <= 64 or not self.name.isprintable():
            raise InvalidInput("a key's name has 1 to 64 printable characters", field="name")

    def live(self, now: datetime) -> bool:
        """Whether it opens anything at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def may(self, scope: str) -> bool:
        """Whether it holds ``scope``; write includes read."""
        module, _, right = scope.partition(":")
        return bool({"*", scope} & self.scopes) or (right == "read" and f"{module}:write" in self.scopes)

    def revoke(self, at: datetime) -> "ApiKey":
        """Shut it for ever."""
        return self if self.revoked_at else replace(self, revoked_at=at)
