"""Faults: what goes wrong, how often, and until when."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from veilbot_core.domain.errors import InvalidInput


class Fault(StrEnum):
    """Kinds of trouble, each of which can be had alone."""

    CRASH = "crash"
    """A process dies at any await; what it had not committed is lost."""
    STORAGE = "storage"
    """Commits whose answer is lost, commits that are lost, units that run twice, the database away for a while."""
    SERVERS = "servers"
    """Applied and then a timeout, refusals, hangs, hours down, restarts without users."""
    PROVIDERS = "providers"
    """Webhooks twice, out of order, late, never, forged; calls that fail after their effect."""
    TELEGRAM = "telegram"
    """429, 403, silence before and after the message arrived."""
    PAUSES = "pauses"
    """A process stands still beyond its leases and goes on with what it knew."""
    BROKER = "broker"
    """The workers share jobs by a queue that loses, doubles, delays and mixes tickets up, and is away for a while."""


MIX = "mix"
"""Let the seed choose the kinds."""


def read_faults(text: str) -> frozenset[Fault] | None:
    """Read ``all``, ``none``, names with commas between, or ``mix``, which is None. Raises InvalidInput."""
    if text == MIX:
        return None
    if text in {"all", "none"}:
        return frozenset(Fault) if text == "all" else frozenset()
    names = [name.strip() for name in text.split(",")]
    unknown = sorted(set(names) - set(Fault))
    if unknown:
        known = ", ".join([*Fault, "all", "none", MIX])
        raise InvalidInput(f"{unknown[0]!r} is no kind of fault; {known} are", field="faults")
    return frozenset(Fault(name) for name in names)


def write_faults(kinds: Iterable[Fault] | None) -> str:
    """Return what `read_faults` reads."""
    if kinds is None:
        return MIX
    chosen = set(kinds)
    return "all" if chosen == set(Fault) else ",".join(sorted(chosen)) or "none"


@dataclass(slots=True)
class Faults:
    """The dice of one run."""

    kinds: frozenset[Fault]
    random: Random
    rate: float
    """How likely a single call meets a fault of one kind."""
    active: bool = True

    @classmethod
    def roll(cls, random: Random, kinds: frozenset[Fault] | None) -> "Faults":
        """Choose how bad it gets, and of what kinds if that is left open."""
        if kinds is None:
            share = random.choice((0.2, 0.4, 0.7, 1.0))
            kinds = frozenset(kind for kind in Fault if random.random() < share)
        return cls(kinds, random, random.choice((0.004, 0.015, 0.05, 0.12)))

    def has(self, kind: Fault) -> bool:
        """Say whether a kind of trouble is about now."""
        return self.active and kind in self.kinds

    def strikes(self, kind: Fault, weight: float = 1.0) -> bool:
        """Throw the dice once."""
        return self.active and kind in self.kinds and self.random.random() < self.rate * weight
