"""The loop: time jumps, the seed chooses who goes on, and what is stopped stands still."""

import asyncio
from contextvars import copy_context
from random import Random

import pytest

from veilbot_runners.simulation.loop import OWNER, Owner, Stuck, VirtualLoop


def on(loop: VirtualLoop, act: object) -> object:
    try:
        return loop.run_until_complete(act)  # type: ignore[arg-type]
    finally:
        loop.close()


def test_a_year_passes_at_once() -> None:
    loop = VirtualLoop(Random(1))

    async def sleep() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        await asyncio.sleep(365 * 86400)
        return loop.time()

    assert on(loop, sleep()) == 365 * 86400 + 3600


def orders(seed: int) -> list[int]:
    seen: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        seen.append(number)

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(one(number))

    on(VirtualLoop(Random(seed)), all_of_them())
    return seen


def test_the_seed_chooses_the_order_of_tasks() -> None:
    found = {tuple(orders(seed)) for seed in range(300)}
    assert len(found) > 60  # of 120
    assert orders(7) == orders(7)


def test_plain_callbacks_keep_their_order() -> None:
    for seed in range(30):
        loop, seen = VirtualLoop(Random(seed)), list[int]()
        for number in range(9):
            loop.call_soon(seen.append, number)
        on(loop, asyncio.sleep(0))
        assert seen == list(range(9))


def test_what_is_stopped_stands_still_with_its_timers() -> None:
    loop, owner, seen = VirtualLoop(Random(1)), Owner(), list[float]()
    context = copy_context()
    context.run(OWNER.set, owner)

    async def tick() -> None:
        while True:
            await asyncio.sleep(1)
            seen.append(loop.time())

    async def watch() -> None:
        task = loop.create_task(tick(), context=context)
        await asyncio.sleep(2.5)
        owner.stopped = True
        loop.later(10, lambda: loop.resume(owner))
        await asyncio.sleep(11.5)
        task.cancel()
        await asyncio.wait({task})

    on(loop, watch())
    assert seen == [1.0, 2.0, 12.5, 13.5]


def test_who_waits_for_nothing_is_found() -> None:
    loop = VirtualLoop(Random(1))

    async def wait() -> None:
        await asyncio.Event().wait()

    task = loop.create_task(wait())
    with pytest.raises(Stuck, match="nothing is left"):
        loop.run_until_complete(task)
    task.cancel()
    loop.run_until_complete(asyncio.wait({task}))
    loop.close()


def test_who_goes_round_for_ever_is_found() -> None:
    loop = VirtualLoop(Random(1), steps=1000)

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - that it never ends is the point
            await asyncio.sleep(0)

    task = loop.create_task(spin())
    with pytest.raises(Stuck, match="run out"):
        loop.run_until_complete(task)
    loop.refill()
    task.cancel()
    loop.run_until_complete(asyncio.wait({task}))
    loop.close()


def test_there_are_no_threads() -> None:
    loop = VirtualLoop(Random(1))
    with pytest.raises(RuntimeError, match="no threads"):
        on(loop, asyncio.to_thread(print))
