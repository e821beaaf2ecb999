"""Policy: the numbers that an operator may turn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from veilbot_core.domain.jobs import JobKind


def _every() -> Mapping[JobKind, timedelta]:
    return {
        JobKind.SWEEP: timedelta(seconds=30),
        JobKind.EXPIRE: timedelta(seconds=30),
        JobKind.PROBE: timedelta(seconds=60),
        JobKind.RECONCILE: timedelta(minutes=15),
        JobKind.SETTLE: timedelta(minutes=10),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Rules of the shop that are numbers."""

    currency: str = "USD"
    """What the bot sells in."""
    order_ttl: timedelta = timedelta(hours=1)
    """How long a checkout stays open; Stripe takes 30 minutes to 24 hours."""
    grace: timedelta = timedelta(hours=24)
    """How long keys work after the end."""
    lease: timedelta = timedelta(seconds=30)
    """How long a claimed job is one worker's; longer than any handler may run."""
    attempts: int = 8
    """Failures of our own making before a job is dead; an outage of a server never kills one."""
    every: Mapping[JobKind, timedelta] = field(default_factory=_every)
    removals: int = 50
    """Keys that one pass over a server may remove."""
    public_url: str = "http://127.0.0.1:8080"
    """Where links point, without a slash at the end."""
    mirrors: tuple[str, ...] = ()
    """Where the same links open too, if ``public_url`` does not."""
    status_ttl: timedelta = timedelta(seconds=10)
    """How long a server's probed status is good."""
    goods_ttl: timedelta = timedelta(seconds=10)
    """How long tariffs and servers are shown as they were read."""
    users_ttl: timedelta = timedelta(seconds=60)
    """How long a customer is greeted as they were read."""
