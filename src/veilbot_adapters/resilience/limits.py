"""How much patience there is with one other side."""

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """What a call does to the other side, which decides what a lost answer means."""

    NONE = "none"
    """It reads: a lost answer is Unavailable, and it may be asked again."""
    REPEATABLE = "repeatable"
    """Twice is the same as once: it may be tried again; if no answer comes it is Unknown."""
    ONCE = "once"
    """It must not be repeated blindly: a lost answer is Unknown at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much patience there is with one other side; times in seconds."""

    timeout: float = 10.0
    """For a call in all: waiting for a place, every attempt and what lies between them."""
    attempts: int = 2
    fail_max: int = 5
    """Failures in a row that open the breaker."""
    reset: float = 5.0
    """How long an open breaker refuses before it lets one call try."""
    in_flight: int = 4
    waiting: int = 16
    """Callers that may wait for a place; more are refused at once."""
    wait: float = 1.0
    """The longest wait for a place; and while no call has been answered for as long, nobody waits at all."""
    backoff: float = 0.2
    """The longest wait before the second attempt; it doubles with each further one."""
    backoff_max: float = 2.0
    """The longest wait at all; a ``retry_after`` beyond it is left to the caller."""
    retries: float = 0.2
    """Further attempts per call, over all calls."""
    reserve: float = 5.0
    """Further attempts that are there beside that share, and the most that can be saved up."""
    rests: bool = True
    """Whether a ``retry_after`` of the other side is meant for all calls, not only for the one that it answered."""
    rest_max: float = 60.0
    """The longest rest that one answer can cause."""
