"""The contract of the bus port."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId
from veilbot_core.ports.bus import Bus

_PATIENCE = 60.0  # seconds after which something will never happen, on any machine


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSubject:
    """A bus, and a listener at its other end."""

    bus: Bus
    arrived: Callable[[], Sequence[Event]]
    """Return every fact that arrived elsewhere since the subject was made, in order."""
    break_once: Callable[[], None]
    """Let the next `Bus.publish` not reach anybody."""


def facts(count: int) -> list[Event]:
    """Return as many different facts."""
    at = datetime(2026, 3, 1, 12, 30, 59, 123456, tzinfo=UTC)
    return [
        Event(
            id=EventId(UUID(int=n)), type=EventType.ORDER_PAID, subject=UUID(int=-n % 2**128), at=at, data={"amount": n}
        )
        for n in range(1, count + 1)
    ]


async def arrived(subject: BusSubject, count: int) -> list[Event]:
    """Wait until so many facts have arrived; return all that have."""
    async with asyncio.timeout(_PATIENCE):
        while len(subject.arrived()) < count:  # noqa: ASYNC110 - what is waited for may be far away
            await asyncio.sleep(0.01)
    return list(subject.arrived())


@pytest.mark.asyncio
class BusContract:
    """A `Bus` carries facts whole and in order, and says so when it did not."""

    @pytest.fixture
    def subject(self) -> BusSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_bus(self, subject: BusSubject) -> None:
        assert isinstance(subject.bus, Bus)

    async def test_facts_arrive_whole_and_in_order(self, subject: BusSubject) -> None:
        events = facts(3)
        await subject.bus.publish(events[:2])
        await subject.bus.publish(events[2:])
        assert await arrived(subject, len(events)) == events

    async def test_no_facts_are_fine(self, subject: BusSubject) -> None:
        await subject.bus.publish([])
        assert not subject.arrived()

    async def test_what_failed_can_be_published_again(self, subject: BusSubject) -> None:
        events = facts(3)
        subject.break_once()
        with pytest.raises(Unavailable):
            await subject.bus.publish(events)
        await subject.bus.publish(events)
        assert await arrived(subject, len(events)) == events
