"""Rate limits: how often one caller may ask."""

from dataclasses import dataclass

import structlog

from veilbot_core.domain.errors import PortError, RateLimited, Unavailable
from veilbot_core.ports.limiter import Limiter

_LOG = structlog.get_logger(__name__)
BODY_LIMIT = 1 << 20
"""Bytes of a request's body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What callers may ask of us: requests per window, by what is counted, and requests at once."""

    key: int = 600
    """Of one API key."""
    failures: int = 30
    """Failed authentications from one address."""
    links: int = 120
    """Subscription links opened from one address; a mobile carrier shows many customers under one."""
    seconds: float = 60.0
    """Length of the window."""
    at_once: int = 256
    """Requests that are worked on at once, over all callers."""
    webhook: float = 1.0
    """Seconds in which a provider hears what became of its event; it comes again if nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """Counts requests; without its counter nobody is refused, because a shop that is shut helps nobody.

    Guessing at keys is the exception: what cannot be counted there is not let through.
    """

    limiter: Limiter
    rate: Rate

    async def hit(self, name: str, limit: int, *, strict: bool = False) -> list[tuple[bytes, bytes]]:
        """Count one; return the headers that tell the caller where they stand.

        The fields are those of draft-ietf-httpapi-ratelimit-headers.

        Raises:
            RateLimited: it was one too many.
            Unavailable: it is ``strict``, and nobody can count now.
        """
        try:
            verdict = await self.limiter.hit(name, limit, self.rate.seconds)
        except PortError as error:
            if strict:
                raise Unavailable("attempts cannot be counted now", retry_after=error.retry_after or 1.0) from None
            _LOG.debug("not counted", code=error.code)  # who counts has told the operator once
            return []
        if not verdict.allowed:
            raise RateLimited(retry_after=verdict.retry_after)
        return [
            (b"ratelimit-policy", f'"default";q={limit};w={self.rate.seconds:.0f}'.encode()),
            (b"ratelimit", f'"default";r={verdict.remaining}'.encode()),
        ]
