"""The contract of the bus port."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from veilbot_adapters.memory import MemoryBus, MemoryClock, MemoryIds
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId
from veilbot_core.ports.bus import Bus


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A bus, what arrived elsewhere, and what breaks it once."""

    bus: Bus
    arrived: Callable[[], Sequence[Event]]
    break_once: Callable[[], None]


@pytest.fixture(params=["memory"])
def subject(request: pytest.FixtureRequest) -> Subject:
    assert request.param == "memory"
    bus, heard = MemoryBus(), list[Event]()

    async def hear(event: Event) -> None:
        heard.append(event)

    bus.subscribe(hear)
    return Subject(bus=bus, arrived=lambda: heard, break_once=lambda: bus.fail_next(Unavailable()))


@pytest.fixture
def events() -> list[Event]:
    clock = MemoryClock()
    ids = MemoryIds(clock)
    return [
        Event(id=EventId(ids.new()), type=EventType.ORDER_PAID, subject=ids.new(), at=clock.now(), data={"amount": n})
        for n in range(3)
    ]


class TestBus:
    def test_is_a_bus(self, subject: Subject) -> None:
        assert isinstance(subject.bus, Bus)

    async def test_facts_arrive_whole_and_in_order(self, subject: Subject, events: list[Event]) -> None:
        await subject.bus.publish(events[:2])
        await subject.bus.publish(events[2:])
        assert list(subject.arrived()) == events

    async def test_no_facts_are_fine(self, subject: Subject) -> None:
        await subject.bus.publish([])
        assert not subject.arrived()

    async def test_what_failed_can_be_published_again(self, subject: Subject, events: list[Event]) -> None:
        subject.break_once()
        with pytest.raises(Unavailable):
            await subject.bus.publish(events)
        await subject.bus.publish(events)
        assert list(subject.arrived()) == events
