"""The contract of the ids port."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from uuid import RFC_4122

import pytest

from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class IdsSubject:
    """A source of ids, on a clock that stands still unless it is moved."""

    ids: Ids
    clock: Clock
    elapse: Callable[[float], Awaitable[None]]
    """Move the clock by so many seconds."""


@pytest.mark.asyncio
class IdsContract:
    """`Ids` are UUIDs of version 7 that only grow, secrets of 128 bits, and chance."""

    @pytest.fixture
    def subject(self) -> IdsSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_new_ids_have_version_7_and_the_standard_variant(self, subject: IdsSubject) -> None:
        made = subject.ids.new()
        assert (made.version, made.variant) == (7, RFC_4122)

    async def test_each_id_is_greater_than_the_one_before(self, subject: IdsSubject) -> None:
        """Ten thousand in one millisecond."""
        made = [subject.ids.new() for _ in range(10_000)]
        assert all(earlier < later for earlier, later in pairwise(made))

    async def test_an_id_begins_with_its_millisecond(self, subject: IdsSubject) -> None:
        await subject.elapse(12.345)
        assert subject.ids.new().int >> 80 == int(subject.clock.now().timestamp() * 1000)

    async def test_ids_are_ordered_by_time(self, subject: IdsSubject) -> None:
        before = [subject.ids.new() for _ in range(1000)]
        await subject.elapse(0.001)
        assert max(before) < subject.ids.new()

    async def test_a_secret_holds_128_bits_and_is_safe_in_a_url(self, subject: IdsSubject) -> None:
        made = {subject.ids.secret() for _ in range(1000)}
        assert len(made) == 1000
        assert all(re.fullmatch(r"[A-Za-z0-9_-]{22,64}", secret) for secret in made)

    async def test_chance_spreads_from_0_to_below_1(self, subject: IdsSubject) -> None:
        drawn = [subject.ids.chance() for _ in range(1000)]
        assert 0 <= min(drawn) < 0.1
        assert 0.9 < max(drawn) < 1
