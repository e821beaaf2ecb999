"""The contract of the ids port."""

import re
from itertools import pairwise
from uuid import RFC_4122

import pytest

from veilbot_adapters.memory import MemoryClock, MemoryIds
from veilbot_adapters.system import SystemIds
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture(params=[SystemIds, MemoryIds])
def ids(request: pytest.FixtureRequest, clock: Clock) -> Ids:
    made = request.param(clock)
    assert isinstance(made, Ids)
    return made


class TestIds:
    def test_new_ids_have_version_7_and_the_standard_variant(self, ids: Ids) -> None:
        made = ids.new()
        assert (made.version, made.variant) == (7, RFC_4122)

    def test_each_id_is_greater_than_the_one_before(self, ids: Ids) -> None:
        """Ten thousand in one millisecond."""
        made = [ids.new() for _ in range(10_000)]
        assert all(earlier < later for earlier, later in pairwise(made))

    async def test_an_id_begins_with_its_millisecond(self, ids: Ids, clock: MemoryClock) -> None:
        await clock.advance(12.345)
        assert ids.new().int >> 80 == int(clock.now().timestamp() * 1000)

    async def test_ids_are_ordered_by_time(self, ids: Ids, clock: MemoryClock) -> None:
        before = [ids.new() for _ in range(1000)]
        await clock.advance(0.001)
        assert max(before) < ids.new()

    def test_a_secret_holds_128_bits_and_is_safe_in_a_url(self, ids: Ids) -> None:
        made = {ids.secret() for _ in range(1000)}
        assert len(made) == 1000
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{22,64}", secret) for secret in made)

    def test_chance_spreads_from_0_to_below_1(self, ids: Ids) -> None:
        drawn = [ids.chance() for _ in range(1000)]
        assert 0 <= min(drawn) < 0.1
        assert 0.9 < max(drawn) < 1
