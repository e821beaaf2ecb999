"""The contract of the ids port, over every source of ids."""

import pytest

from veilbot_adapters.memory import MemoryClock, MemoryIds
from veilbot_adapters.system import SystemIds
from veilbot_adapters.testing.ids import IdsContract, IdsSubject


class TestIds(IdsContract):
    @pytest.fixture(params=[SystemIds, MemoryIds])
    def subject(self, request: pytest.FixtureRequest) -> IdsSubject:
        clock = MemoryClock()
        return IdsSubject(ids=request.param(clock), clock=clock, elapse=clock.advance)
