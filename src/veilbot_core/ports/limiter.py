"""Limiter: how often is too often."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether one more is fine, and when it will be."""

    allowed: bool
    remaining: int
    retry_after: float
    """Seconds until the window opens again; 0 when allowed."""


@runtime_checkable
class Limiter(Protocol):
    """Counts per name in fixed windows."""

    @abstractmethod
    async def hit(self, name: str, limit: int, seconds: float) -> Verdict:
        """Count one, and say whether it is within ``limit`` per ``seconds``."""
