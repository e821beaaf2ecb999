"""The guarded way out under load: how many at once, how long in all, how often again, and when not at all."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.waiting import on_virtual_time

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Effect, Guard, Limits, retry_after
from veilbot_core.domain.errors import Unavailable, Unknown
from veilbot_core.ports.clock import Clock


class Hasty(MemoryClock):
    """A clock on which every sleep is over at once, and is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.advance(seconds)


@pytest.fixture
def clock() -> Hasty:
    return Hasty()


def guard(clock: Clock, **limits: float) -> Guard:
    values: dict[str, float] = {"fail_max": 10_000, **limits}
    return Guard("other", clock, MemoryIds(clock), Limits(**values))  # type: ignore[arg-type]


async def outcome(call: Awaitable[object]) -> object:
    try:
        return await call
    except Unavailable as error:
        return error


class Far:
    """The far end: counts what arrives, and fails as long as it is told to."""

    def __init__(self, *, fails: Callable[[int], bool] = lambda _: False) -> None:
        self.calls = self.now = self.most = 0
        self.fails = fails
        self.release = asyncio.Event()
        self.release.set()

    async def __call__(self) -> int:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.release.wait()
        finally:
            self.now -= 1
        if self.fails(self.calls):
            raise Unavailable
        return self.calls


class TestBulkhead:
    @on_virtual_time
    async def test_one_that_hangs_holds_four_callers_and_after_a_moment_no_more(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock, timeout=5, waiting=16, wait=0.05)
        far.release.clear()
        async with asyncio.TaskGroup() as group:
            first = [group.create_task(outcome(way.call(far))) for _ in range(40)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert sum(task.done() for task in first) == 20, "four call and sixteen wait"
            await asyncio.wait(first, timeout=0.2)
            assert sum(task.done() for task in first) == 36, "nobody waits longer than that"
            await clock.advance(0.1)
            late = [group.create_task(outcome(way.call(far))) for _ in range(200)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert all(task.done() for task in late), "while nothing is answered, nobody waits at all"
            assert {getattr(task.result(), "retry_after", None) for task in late} == {way.limits.reset}
            assert (far.calls, far.most) == (4, 4)
            far.release.set()
        assert sum(isinstance(task.result(), int) for task in first) == 4
        assert await way.call(far) == 5

    @on_virtual_time
    async def test_a_place_that_a_timeout_frees_is_no_sign_of_life(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock, timeout=0.05, wait=0.02)
        far.release.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(outcome(way.call(far)))
        await clock.advance(0.05)
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(outcome(way.call(far))) for _ in range(40)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert sum(task.done() for task in calls) == 36, "four try, nobody queues"
            far.release.set()
        assert far.calls == 8
        assert await way.call(far) == 9
        far.release.clear()
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(outcome(way.call(far))) for _ in range(40)]
            await asyncio.sleep(0)
            assert sum(task.done() for task in calls) == 20, "it works again, so sixteen queue"
            far.release.set()

    @on_virtual_time
    async def test_one_that_works_slowly_is_waited_for(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock, waiting=16, wait=5)
        far.release.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(way.call(far))
            await asyncio.sleep(0.01)
            far.release.set()
        assert far.calls == 20
        assert far.most == 4


class TestDeadline:
    @on_virtual_time
    async def test_all_attempts_share_one(self, clock: Hasty) -> None:
        loop = asyncio.get_running_loop()
        calls = 0

        async def slow() -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(0.04)
            raise Unavailable

        began = loop.time()
        with pytest.raises(Unavailable):
            await guard(clock, timeout=0.1, attempts=100, reserve=100, backoff=0).call(slow)
        assert loop.time() - began == pytest.approx(0.1)
        assert calls == 3

    @on_virtual_time
    async def test_the_wait_for_a_place_is_part_of_it(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock, in_flight=1, wait=5)
        far.release.clear()
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            group.create_task(way.call(far))
            await asyncio.sleep(0)
            loop.call_later(0.05, far.release.set)
            began = loop.time()

            async def hang() -> None:
                await asyncio.sleep(60)

            with pytest.raises(Unknown):
                await way.call(hang, Effect.ONCE, patience=0.1)
        assert loop.time() - began == pytest.approx(0.1)


class TestBudget:
    async def test_an_outage_does_not_double_the_load(self, clock: Hasty) -> None:
        far, way = Far(fails=lambda _: True), guard(clock, retries=0.2, reserve=5)
        for _ in range(1000):
            with pytest.raises(Unavailable):
                await way.call(far)
        assert 1200 <= far.calls <= 1205

    async def test_now_and_then_a_failure_is_always_tried_again(self, clock: Hasty) -> None:
        far, way = Far(fails=lambda number: number % 10 == 0), guard(clock)
        for _ in range(500):
            await way.call(far)
        assert 500 < far.calls <= 560

    async def test_waits_are_spread_over_the_whole_range(self, clock: Hasty) -> None:
        far, way = Far(fails=lambda _: True), guard(clock, retries=1, backoff=0.2)
        for _ in range(400):
            with pytest.raises(Unavailable):
                await way.call(far)
        assert len(clock.slept) == 400
        assert min(clock.slept) < 0.02
        assert max(clock.slept) > 0.18
        assert 0.08 < sum(clock.slept) / 400 < 0.12


class TestRetryAfter:
    async def test_it_holds_for_every_call_and_ends(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock)

        async def busy() -> None:
            raise Unavailable("429", retry_after=7)

        with pytest.raises(Unavailable, match="429"):
            await way.call(busy)
        await clock.advance(4)
        with pytest.raises(Unavailable, match="rest") as caught:
            await way.call(far)
        assert caught.value.retry_after == pytest.approx(3)
        assert far.calls == 0
        await clock.advance(3)
        assert await way.call(far) == 1

    async def test_nobody_can_ask_for_a_day(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock)

        async def busy() -> None:
            raise Unavailable(retry_after=86_400)

        await outcome(way.call(busy))
        await clock.advance(60)
        assert await way.call(far) == 1

    async def test_the_longest_rest_counts(self, clock: Hasty) -> None:
        """Of two calls that are out, the one that hears of less may be answered last."""
        far, way, answer = Far(), guard(clock), asyncio.Event()

        async def busy(seconds: float) -> None:
            await answer.wait()
            raise Unavailable(retry_after=seconds)

        async with asyncio.TaskGroup() as group:
            for seconds in (60, 30):
                group.create_task(outcome(way.call(lambda seconds=seconds: busy(seconds))))  # type: ignore[misc]
            await asyncio.sleep(0)
            answer.set()
        await clock.advance(59)
        with pytest.raises(Unavailable, match="rest"):
            await way.call(far)
        await clock.advance(1)
        assert await way.call(far) == 1

    async def test_it_holds_too_where_it_may_have_been_done(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock)

        async def failing() -> None:
            raise Unknown("503", retry_after=7)

        with pytest.raises(Unknown):
            await way.call(failing, Effect.REPEATABLE)
        assert clock.slept == []
        with pytest.raises(Unavailable, match="rest"):
            await way.call(far)
        await clock.advance(7)
        assert await way.call(far) == 1

    async def test_nobody_sleeps_beyond_the_time_of_the_call(self, clock: Hasty) -> None:
        far, way = Far(fails=lambda _: True), guard(clock, timeout=1.0, rests=False)

        async def busy() -> None:
            far.calls += 1
            raise Unavailable(retry_after=2)

        with pytest.raises(Unavailable):
            await way.call(busy)
        assert (far.calls, clock.slept) == (1, [])

    async def test_where_it_is_meant_for_one_call_the_others_go_on(self, clock: Hasty) -> None:
        far, way = Far(), guard(clock, rests=False)

        async def busy() -> None:
            raise Unavailable(retry_after=7)

        await outcome(way.call(busy))
        assert await way.call(far) == 1

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"retry-after": "7"}, 7),
            ({"retry-after": " 120 "}, 120),
            ({"retry-after": "9" * 50}, 86_400),
            ({"retry-after": "-1"}, None),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "٣"}, None),
            ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT", "date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 30),
            ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT", "date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 0),
            ({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, None),
            ({"retry-after": "Fri, 20 Nov 2026 12:00:30", "date": "Fri, 20 Nov 2026 12:00:00 GMT"}, None),
        ],
    )
    def test_it_is_a_number_or_a_date(self, headers: dict[str, str], seconds: float | None) -> None:
        assert retry_after(headers) == seconds
