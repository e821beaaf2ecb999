"""Bus: facts to the world outside."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from veilbot_core.domain.events import Event


@runtime_checkable
class Bus(Protocol):
    """Carries facts to other systems, at least once each."""

    @abstractmethod
    async def publish(self, events: Sequence[Event]) -> None:
        """Hand facts over; they are safe elsewhere when this returns.

        Raises:
            Unavailable: they stay in the outbox and come again.
        """
