"""The contract of the bus port, over every bus."""

import pytest

from veilbot_adapters.memory import MemoryBus
from veilbot_adapters.testing.bus import BusContract, BusSubject
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.events import Event


class TestMemory(BusContract):
    @pytest.fixture
    def subject(self) -> BusSubject:
        bus, heard = MemoryBus(), list[Event]()

        async def hear(event: Event) -> None:
            heard.append(event)

        bus.subscribe(hear)
        return BusSubject(bus=bus, arrived=lambda: heard, break_once=lambda: bus.fail_next(Unavailable()))
