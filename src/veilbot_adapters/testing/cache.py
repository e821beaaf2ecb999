"""The contract of the cache port."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest

from veilbot_core.domain.errors import Unavailable
from veilbot_core.ports.cache import Cache

_PATIENCE = 60.0  # seconds after which something will never happen, on any machine


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSubject:
    """An empty cache, and its time."""

    cache: Cache
    elapse: Callable[[float], Awaitable[None]]
    """Let so many seconds pass for the cache, in no time: the tests ask for up to 101."""


class Maker:
    """Makes an answer when it is let, and counts how often it was asked."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.made = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self._answers = list(answers)

    async def __call__(self) -> bytes:
        """Wait until it may go on; then answer, or raise the answer."""
        self.made += 1
        self.begun.set()
        answer = self._answers.pop(0)
        await self.go.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def settle() -> None:
    """Let whoever can go on do so."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.asyncio
class CacheContract:
    """A `Cache` keeps bytes by name for some seconds, and lets one caller make what several wait for.

    ``fetch`` is for one process: callers of one cache object wait for each other; what several processes do is theirs.
    """

    @pytest.fixture
    def subject(self) -> CacheSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_cache(self, subject: CacheSubject) -> None:
        assert isinstance(subject.cache, Cache)

    async def test_what_is_set_is_got_until_its_time_is_over(self, subject: CacheSubject) -> None:
        assert await subject.cache.get("a") is None
        await subject.cache.set("a", b"1", 100)
        await subject.elapse(30)
        assert await subject.cache.get("a") == b"1"
        await subject.elapse(71)
        assert await subject.cache.get("a") is None

    async def test_setting_again_replaces_value_and_time(self, subject: CacheSubject) -> None:
        await subject.cache.set("a", b"1", 1)
        await subject.cache.set("a", b"", 100)
        await subject.elapse(5)
        assert await subject.cache.get("a") == b""

    async def test_dropping_forgets_one_name(self, subject: CacheSubject) -> None:
        await subject.cache.set("a", b"1", 100)
        await subject.cache.set("b", b"2", 100)
        await subject.cache.drop("a")
        await subject.cache.drop("unknown")
        assert await subject.cache.get("a") is None
        assert await subject.cache.get("b") == b"2"

    async def test_one_makes_and_the_others_wait_for_the_same_answer(self, subject: CacheSubject) -> None:
        maker = Maker(b"1")
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            fetches = [group.create_task(subject.cache.fetch("a", 100, maker)) for _ in range(5)]
            await settle()
            maker.go.set()
        assert [fetch.result() for fetch in fetches] == [b"1"] * 5
        assert await subject.cache.fetch("a", 100, maker) == b"1"
        assert maker.made == 1

    async def test_names_do_not_wait_for_each_other(self, subject: CacheSubject) -> None:
        slow, quick = Maker(b"1"), Maker(b"2")
        quick.go.set()
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(subject.cache.fetch("a", 100, slow))
            await settle()
            assert await subject.cache.fetch("b", 100, quick) == b"2"
            slow.go.set()

    async def test_an_answer_is_made_again_when_its_time_is_over(self, subject: CacheSubject) -> None:
        maker = Maker(b"1", b"2")
        maker.go.set()
        assert await subject.cache.fetch("a", 100, maker) == b"1"
        await subject.elapse(101)
        assert await subject.cache.fetch("a", 100, maker) == b"2"

    async def test_a_failing_maker_fails_all_who_wait_and_nothing_is_kept(self, subject: CacheSubject) -> None:
        maker = Maker(Unavailable("down"), b"2")
        fetches = [subject.cache.fetch("a", 100, maker) for _ in range(3)]
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            gathered = group.create_task(_gather(fetches))
            await settle()
            maker.go.set()
        assert [str(error) for error in gathered.result()] == ["down"] * 3
        assert maker.made == 1
        assert await subject.cache.fetch("a", 100, maker) == b"2"

    async def test_when_the_maker_is_cancelled_one_who_waits_takes_over(self, subject: CacheSubject) -> None:
        maker = Maker(b"lost", b"2")
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            first = group.create_task(subject.cache.fetch("a", 100, maker))
            await maker.begun.wait()
            others = [group.create_task(subject.cache.fetch("a", 100, maker)) for _ in range(3)]
            await settle()
            first.cancel()
            await settle()
            maker.go.set()
        assert [other.result() for other in others] == [b"2"] * 3
        assert maker.made == 2

    async def test_one_who_waits_may_be_cancelled_without_harm(self, subject: CacheSubject) -> None:
        maker = Maker(b"1")
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            first = group.create_task(subject.cache.fetch("a", 100, maker))
            await maker.begun.wait()
            second = group.create_task(subject.cache.fetch("a", 100, maker))
            await settle()
            second.cancel()
            await settle()
            maker.go.set()
        assert first.result() == b"1"
        assert second.cancelled()


async def _gather(fetches: Sequence[Awaitable[bytes]]) -> list[bytes | BaseException]:
    return await asyncio.gather(*fetches, return_exceptions=True)
