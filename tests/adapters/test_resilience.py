"""The guarded way out, on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.resilience import Breaker, Effect, Guard, Guards, Limits
from veilbot_core.domain.errors import Rejected, Unavailable, Unknown


class Other:
    """The other side: does what its script says, then succeeds."""

    def __init__(self, *script: Exception | str) -> None:
        self.script = list(script)
        self.calls = 0
        self.release = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step == "hang":
            await self.release.wait()
        return self.calls


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def make(clock: MemoryClock) -> Callable[[Limits], Guard]:
    return lambda limits: Guard("other", clock, MemoryIds(clock), limits)


async def in_time(clock: MemoryClock, call: Awaitable[int]) -> int:
    """Await a call while time passes for its backoffs."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(_result(call))
        while not task.done():
            await clock.advance(0.05)
    result = task.result()
    if isinstance(result, Exception):
        raise result
    return result


async def _result(call: Awaitable[int]) -> int | Exception:
    try:
        return await call
    except Exception as error:  # noqa: BLE001 (it is handed on)
        return error


async def test_a_success_is_passed_through_once(make: Callable[[Limits], Guard]) -> None:
    other = Other()
    assert await make(Limits()).call(other) == 1
    assert other.calls == 1


async def test_an_outage_is_tried_again_and_waits_less_than_the_backoff(
    make: Callable[[Limits], Guard], clock: MemoryClock
) -> None:
    other = Other(Unavailable())
    assert await in_time(clock, make(Limits(backoff=0.2)).call(other, Effect.ONCE)) == 2
    assert clock.monotonic() <= 0.2 + 0.1


async def test_the_last_error_is_the_other_sides_own(make: Callable[[Limits], Guard], clock: MemoryClock) -> None:
    with pytest.raises(Unavailable, match="second"):
        await in_time(clock, make(Limits()).call(Other(Unavailable("first"), Unavailable("second"))))


async def test_a_refusal_is_final(make: Callable[[Limits], Guard]) -> None:
    other = Other(Rejected("no"))
    with pytest.raises(Rejected, match="no"):
        await make(Limits()).call(other, Effect.REPEATABLE)
    assert other.calls == 1


async def test_a_short_retry_after_is_obeyed_and_a_long_one_handed_on(
    make: Callable[[Limits], Guard], clock: MemoryClock
) -> None:
    await in_time(clock, make(Limits()).call(Other(Unavailable(retry_after=1.5))))
    assert clock.monotonic() >= 1.5
    other = Other(Unavailable(retry_after=7))
    with pytest.raises(Unavailable) as caught:
        await make(Limits()).call(other)
    assert caught.value.retry_after == 7
    assert other.calls == 1


@pytest.mark.parametrize(
    ("effect", "raised", "calls"),
    [(Effect.NONE, Unavailable, 2), (Effect.REPEATABLE, Unknown, 2), (Effect.ONCE, Unknown, 1)],
)
async def test_a_lost_answer_means_what_the_effect_says(
    make: Callable[[Limits], Guard], clock: MemoryClock, effect: Effect, raised: type[Exception], calls: int
) -> None:
    other = Other(Unknown("lost"), Unknown("lost"))
    with pytest.raises(raised):
        await in_time(clock, make(Limits()).call(other, effect))
    assert other.calls == calls


async def test_an_outage_after_a_lost_answer_does_not_undo_it(
    make: Callable[[Limits], Guard], clock: MemoryClock
) -> None:
    with pytest.raises(Unknown):
        await in_time(clock, make(Limits()).call(Other(Unknown(), Unavailable()), Effect.REPEATABLE))


async def test_an_open_breaker_after_a_lost_answer_does_not_undo_it(
    make: Callable[[Limits], Guard], clock: MemoryClock
) -> None:
    guard = make(Limits(fail_max=1))
    with pytest.raises(Unknown):
        await in_time(clock, guard.call(Other(Unknown()), Effect.REPEATABLE))
    assert guard.state == "open"


@pytest.mark.parametrize(("effect", "raised"), [(Effect.NONE, Unavailable), (Effect.REPEATABLE, Unknown)])
async def test_a_timeout_is_not_tried_again(
    make: Callable[[Limits], Guard], effect: Effect, raised: type[Exception]
) -> None:
    other = Other("hang")
    with pytest.raises(raised):
        await make(Limits(timeout=0.02)).call(other, effect)
    assert other.calls == 1


async def test_patience_replaces_the_timeout(make: Callable[[Limits], Guard]) -> None:
    with pytest.raises(Unavailable):
        await make(Limits()).call(Other("hang"), patience=0.02)


async def test_the_breaker_opens_refuses_at_once_and_says_for_how_long(
    make: Callable[[Limits], Guard], clock: MemoryClock
) -> None:
    guard = make(Limits(fail_max=3, attempts=1, reset=15))
    for _ in range(3):
        with pytest.raises(Unavailable):
            await guard.call(Other(Unavailable()))
    assert guard.state == "open"
    await clock.advance(5)
    other = Other()
    with pytest.raises(Unavailable) as caught:
        await guard.call(other)
    assert other.calls == 0
    assert caught.value.retry_after == 10


async def test_refusals_and_successes_keep_the_breaker_closed(make: Callable[[Limits], Guard]) -> None:
    guard = make(Limits(fail_max=2, attempts=1))
    for good in (Rejected(), None, Rejected()):
        with pytest.raises(Unavailable):
            await guard.call(Other(Unavailable()))
        if good is None:
            await guard.call(Other())
        else:
            with pytest.raises(Rejected):
                await guard.call(Other(good))
    assert guard.state == "closed"


async def test_one_call_tries_the_half_open_breaker_and_closes_it(clock: MemoryClock) -> None:
    breaker = await opened(clock)
    await clock.advance(15)
    other = Other("hang")
    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(_result(breaker.run(other))) for _ in range(10)]
        await clock.settle()
        assert breaker.state == "half-open"
        assert other.calls == 1
        other.release.set()
    assert sum(isinstance(task.result(), Exception) for task in tries) == 9
    assert breaker.state == "closed"


async def test_a_failed_try_opens_it_for_the_whole_time_again(clock: MemoryClock) -> None:
    breaker = await opened(clock)
    await clock.advance(15)
    with pytest.raises(Unavailable):
        await breaker.run(Other(Unavailable()))
    assert breaker.state == "open"
    assert breaker.refuses_for == 15


async def test_a_cancelled_try_is_no_verdict_and_frees_its_place(clock: MemoryClock) -> None:
    breaker = await opened(clock)
    await clock.advance(15)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await breaker.run(Other("hang"))
    assert breaker.state == "half-open"
    assert await breaker.run(Other()) == 1
    assert breaker.state == "closed"


@pytest.mark.parametrize("wait", [0, 15])
async def test_a_late_result_says_nothing(clock: MemoryClock, wait: int) -> None:
    breaker = Breaker(clock, fail_max=1, reset=15)
    late = Other("hang")
    async with asyncio.TaskGroup() as group:
        group.create_task(breaker.run(late))
        await clock.settle()
        with pytest.raises(Unavailable):
            await breaker.run(Other(Unavailable()))
        await clock.advance(wait)
        late.release.set()
    assert breaker.state == "open"


async def opened(clock: MemoryClock) -> Breaker:
    breaker = Breaker(clock, fail_max=1, reset=15)
    with pytest.raises(Unavailable):
        await breaker.run(Other(Unavailable()))
    assert breaker.state == "open"
    return breaker


async def test_few_are_in_flight_some_wait_and_the_rest_is_refused_at_once(make: Callable[[Limits], Guard]) -> None:
    guard = make(Limits(in_flight=4, waiting=16, wait=600))
    other = Other(*["hang"] * 20)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(guard.call(other))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="too many"):
            await guard.call(other)
        assert other.calls == 4
        assert guard.busy
        other.release.set()
    assert other.calls == 20
    assert not guard.busy


async def test_waiting_for_a_place_ends(make: Callable[[Limits], Guard]) -> None:
    guard = make(Limits(in_flight=1))
    other = Other("hang")
    async with asyncio.TaskGroup() as group:
        group.create_task(guard.call(other))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await guard.call(Other(), Effect.ONCE, patience=0.02)
        other.release.set()


async def test_who_waited_while_the_breaker_opened_is_refused(make: Callable[[Limits], Guard]) -> None:
    guard = make(Limits(in_flight=1, fail_max=1, attempts=1, timeout=0.02))
    hanging, waiting = Other("hang"), Other()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(_result(guard.call(hanging)))
        await asyncio.sleep(0)
        second = group.create_task(_result(guard.call(waiting, patience=600)))
    assert isinstance(first.result(), Unavailable)
    assert isinstance(second.result(), Unavailable)
    assert waiting.calls == 0


async def test_a_bug_is_not_hidden(make: Callable[[Limits], Guard]) -> None:
    with pytest.raises(ZeroDivisionError):
        await make(Limits()).call(Other(ZeroDivisionError()))


async def test_guards_are_one_per_name_and_bounded(clock: MemoryClock) -> None:
    guards = Guards(clock, MemoryIds(clock), most=2)
    a, b = guards.get("a"), guards.get("b")
    assert guards.get("a") is a
    other = Other("hang")
    async with asyncio.TaskGroup() as group:
        group.create_task(b.call(other))
        await asyncio.sleep(0)
        guards.get("c")  # b is older but busy, so a goes
        assert guards.get("b") is b
        other.release.set()
    assert guards.get("a") is not a
    guards.drop("b")
    assert guards.get("b") is not b
