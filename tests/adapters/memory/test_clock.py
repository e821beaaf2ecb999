"""Virtual time."""

import asyncio

from veilbot_adapters.memory import MemoryClock, MemoryDoorbell


async def test_time_stands_still_by_itself() -> None:
    clock = MemoryClock()
    before = clock.now()
    await asyncio.sleep(0.01)
    assert (clock.now(), clock.monotonic()) == (before, 0.0)


async def test_sleepers_wake_in_order_of_time_then_of_coming() -> None:
    clock, woken = MemoryClock(), list[tuple[str, float]]()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 3), ("a", 1), ("b", 2), ("b too", 2)):
            group.create_task(sleeper(name, seconds))
        await clock.advance(2.5)
        assert woken == [("a", 1), ("b", 2), ("b too", 2)]
        assert clock.next_wake == 0.5
        await clock.advance(1)
    assert woken[-1] == ("c", 3)
    assert clock.monotonic() == 3.5
    assert clock.next_wake is None


async def test_what_a_sleeper_does_next_happens_at_its_moment() -> None:
    """A loop that sleeps runs as often as it would in real time."""
    clock, seen = MemoryClock(), list[float]()

    async def loop() -> None:
        for _ in range(5):
            await clock.sleep(1)
            for _ in range(40):  # a long way through other awaits
                await asyncio.sleep(0)
            seen.append(clock.monotonic())

    async with asyncio.TaskGroup() as group:
        group.create_task(loop())
        await clock.advance(10)
    assert seen == [1, 2, 3, 4, 5]


async def test_a_cancelled_sleeper_leaves_nothing_behind() -> None:
    clock = MemoryClock()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(clock.sleep(5))
        group.create_task(clock.sleep(7))
        await clock.settle()
        task.cancel()
        await clock.settle()
        assert clock.next_wake == 7
        await clock.advance(7)


async def test_a_sleeper_that_is_cancelled_as_it_wakes_is_cancelled() -> None:
    clock = MemoryClock()
    async with asyncio.TaskGroup() as group:
        second = group.create_task(_after(clock, 1))
        await clock.settle()
        first = group.create_task(clock.sleep(0.5))
        await clock.settle()
        second.cancel()
        await clock.advance(1)
    assert first.done()
    assert second.cancelled()


async def _after(clock: MemoryClock, seconds: float) -> None:
    await clock.sleep(seconds)


async def test_a_task_that_never_rests_does_not_stop_the_clock() -> None:
    clock, rounds = MemoryClock(), 0

    async def busy() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(busy())
        await clock.advance(1)
        task.cancel()
    assert rounds > 100


async def test_a_doorbell_waits_in_virtual_time() -> None:
    clock = MemoryClock()
    doorbell = MemoryDoorbell(clock)
    async with asyncio.TaskGroup() as group:
        wait = group.create_task(doorbell.wait(3600))
        await clock.advance(3599)
        assert not wait.done()
        await clock.advance(1)
        assert wait.done()
        wait = group.create_task(doorbell.wait(3600))
        await clock.settle()
        doorbell.ring()
        await clock.settle()
        assert wait.done()
    assert clock.next_wake is None
    assert doorbell.rings == 1
