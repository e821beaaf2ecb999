"""The contract of the limiter port."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from veilbot_core.ports.limiter import Limiter, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterSubject:
    """A limiter that has counted nothing yet, and its time."""

    limiter: Limiter
    elapse: Callable[[float], Awaitable[None]]
    """Let so many seconds pass for the limiter; `asyncio.sleep` does for one that has no clock to be moved."""


@pytest.mark.asyncio
class LimiterContract:
    """A `Limiter` counts per name in fixed windows, exactly.

    Windows are given in seconds; the tests use 1 s and 600 s, and let at most a second pass.
    """

    @pytest.fixture
    def subject(self) -> LimiterSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_limiter(self, subject: LimiterSubject) -> None:
        assert isinstance(subject.limiter, Limiter)

    async def test_it_allows_so_many_and_counts_down(self, subject: LimiterSubject) -> None:
        verdicts = [await subject.limiter.hit("a", 3, 600) for _ in range(3)]
        assert verdicts == [Verdict(allowed=True, remaining=left, retry_after=0.0) for left in (2, 1, 0)]

    async def test_one_too_many_hears_when_to_come_back(self, subject: LimiterSubject) -> None:
        await subject.limiter.hit("a", 1, 600)
        verdict = await subject.limiter.hit("a", 1, 600)
        assert not verdict.allowed
        assert verdict.remaining == 0
        assert 500 < verdict.retry_after <= 600

    async def test_waiting_as_long_as_it_said_is_enough(self, subject: LimiterSubject) -> None:
        verdict = await subject.limiter.hit("a", 1, 1)
        while verdict.allowed:  # a window may end in between, on a machine that stands still
            verdict = await subject.limiter.hit("a", 1, 1)
        await subject.elapse(verdict.retry_after)
        assert (await subject.limiter.hit("a", 1, 1)).allowed

    async def test_refused_hits_do_not_prolong_the_window(self, subject: LimiterSubject) -> None:
        await subject.limiter.hit("a", 1, 600)
        first = await subject.limiter.hit("a", 1, 600)
        for number in (1, 2, 3):
            await subject.elapse(0.3)
            verdict = await subject.limiter.hit("a", 1, 600)
            assert verdict.retry_after < first.retry_after - 0.3 * number + 0.1

    async def test_names_are_counted_apart(self, subject: LimiterSubject) -> None:
        await subject.limiter.hit("a", 1, 600)
        assert (await subject.limiter.hit("b", 1, 600)).allowed

    async def test_a_limit_of_nothing_allows_nothing(self, subject: LimiterSubject) -> None:
        assert not (await subject.limiter.hit("a", 0, 600)).allowed

    async def test_hits_at_the_same_time_are_each_counted_once(self, subject: LimiterSubject) -> None:
        verdicts = await asyncio.gather(*(subject.limiter.hit("a", 30, 600) for _ in range(100)))
        assert sorted(v.remaining for v in verdicts if v.allowed) == list(range(30))
