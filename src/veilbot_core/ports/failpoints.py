"""Failpoints: named places where a test may let the process die."""

from abc import abstractmethod
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Point(StrEnum):
    """The moments between a provider's webhook, or an operator's wish, and the customer's message.

    "The server" is whoever is called: a VPN server about a key, or the provider about a refund.
    """

    REQUEST_READ = "C0"
    VERIFIED = "C1"
    WRITTEN = "C2"
    """Written, not committed."""
    COMMITTED = "C3"
    """Committed, not answered."""
    EVENT_CLAIMED = "C4"
    PUBLISHED = "C5"
    """Published, not marked."""
    ORDER_CLAIMED = "C6"
    BEFORE_CALL = "C7"
    """About to call the server."""
    CALLED = "C8"
    """Called, no answer seen: it has done it, and its answer is on the way. No service sees this moment; what stands
    around the adapter that is called passes it."""
    ANSWERED = "C9"
    """Answered, not committed."""
    APPLIED = "C10"
    """Committed, customer not told; also after each commit on the way there."""
    TOLD = "C11"
    """Told, not recorded."""
    RECORDED = "C12"
    """Recorded, not acknowledged."""


@runtime_checkable
class Failpoints(Protocol):
    """Does nothing in production."""

    @abstractmethod
    async def reach(self, point: Point) -> None:
        """Pass a point between two awaits: die, raise, hang, or do nothing, as it was told.

        Raises:
            Unknown: at CALLED, which loses an answer.
            Unavailable: anywhere else.
        """

    @abstractmethod
    def pass_by(self, point: Point) -> None:
        """Pass a point inside a unit of work, where nothing can be awaited."""
