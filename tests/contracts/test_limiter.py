"""The contract of the limiter port."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from veilbot_adapters.memory import MemoryClock, MemoryLimiter
from veilbot_core.ports.limiter import Limiter, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A limiter, and what makes its time pass."""

    limiter: Limiter
    elapse: Callable[[float], Awaitable[None]]


@pytest.fixture(params=["memory"])
def subject(request: pytest.FixtureRequest) -> Subject:
    assert request.param == "memory"
    clock = MemoryClock()
    return Subject(limiter=MemoryLimiter(clock), elapse=clock.advance)


class TestLimiter:
    def test_is_a_limiter(self, subject: Subject) -> None:
        assert isinstance(subject.limiter, Limiter)

    async def test_it_allows_so_many_and_counts_down(self, subject: Subject) -> None:
        verdicts = [await subject.limiter.hit("a", 3, 60) for _ in range(3)]
        assert verdicts == [Verdict(allowed=True, remaining=left, retry_after=0.0) for left in (2, 1, 0)]

    async def test_one_too_many_hears_when_to_come_back(self, subject: Subject) -> None:
        await subject.limiter.hit("a", 1, 60)
        verdict = await subject.limiter.hit("a", 1, 60)
        assert not verdict.allowed
        assert verdict.remaining == 0
        assert 58 < verdict.retry_after <= 60

    async def test_waiting_as_long_as_it_said_is_enough(self, subject: Subject) -> None:
        await subject.limiter.hit("a", 1, 2)
        verdict = await subject.limiter.hit("a", 1, 2)
        await subject.elapse(verdict.retry_after)
        assert (await subject.limiter.hit("a", 1, 2)).allowed

    async def test_refused_hits_do_not_prolong_the_window(self, subject: Subject) -> None:
        await subject.limiter.hit("a", 1, 2)
        for _ in range(3):
            await subject.elapse(0.5)
            await subject.limiter.hit("a", 1, 2)
        await subject.elapse(0.6)
        assert (await subject.limiter.hit("a", 1, 2)).allowed

    async def test_names_are_counted_apart(self, subject: Subject) -> None:
        await subject.limiter.hit("a", 1, 60)
        assert (await subject.limiter.hit("b", 1, 60)).allowed

    async def test_a_limit_of_nothing_allows_nothing(self, subject: Subject) -> None:
        assert not (await subject.limiter.hit("a", 0, 60)).allowed
