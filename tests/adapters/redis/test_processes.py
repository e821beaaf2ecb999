"""Two processes on one Redis: what they share."""

import asyncio

import pytest
from tests.shared_redis import End, ends
from tests.waiting import PATIENCE


async def until(end: End, name: str, value: bytes | None) -> None:
    async with asyncio.timeout(PATIENCE):
        while await end.cache.get(name) != value:  # noqa: ASYNC110 - there is nothing to wait for but time
            await asyncio.sleep(0.005)


class TestCache:
    async def test_what_one_sets_or_drops_the_other_sees(self, redis_url: str) -> None:
        async with ends(redis_url, 2) as (here, there):
            await here.cache.set("a", b"1", 60)
            assert await there.cache.get("a") == b"1"
            await here.cache.set("a", b"2", 60)
            await until(there, "a", b"2")
            await here.cache.drop("a")
            await until(there, "a", None)
            assert await here.cache.get("a") is None

    async def test_a_warm_answer_asks_redis_nothing(self, redis_url: str) -> None:
        async with ends(redis_url) as (end,):
            await end.cache.set("a", b"1", 60)
            before = await _commands(end)
            for _ in range(100):
                await end.cache.get("a")
            assert await _commands(end) - before < 20  # our own question, and the watcher's

    async def test_two_processes_make_one_answer(self, redis_url: str) -> None:
        made = []

        async def make() -> bytes:
            made.append(1)
            await asyncio.sleep(0.05)
            return b"1"

        async with ends(redis_url, 3) as opened:
            fetches = [end.cache.fetch("a", 60, make) for end in opened for _ in range(10)]
            assert await asyncio.gather(*fetches) == [b"1"] * 30
        assert len(made) == 1

    async def test_a_dead_makers_claim_costs_one_bounded_wait(self, redis_url: str) -> None:
        async def make() -> bytes:
            return b"1"

        async with ends(redis_url, 2) as (dead, alive), asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            assert await dead.cache._far.claim("a", "its token", steal=False) is True
            fetch = group.create_task(alive.cache.fetch("a", 60, make))
            await asyncio.sleep(0.05)
            assert not fetch.done()
            alive.clock.moved += 2.1  # its lock would end after 30
            assert await fetch == b"1"
            assert not await dead.cache._far.store("a", "its token", b"late", 60)
            assert await dead.cache.get("a") == b"1"

    async def test_an_answer_that_was_dropped_while_it_was_made_is_not_kept(self, redis_url: str) -> None:
        begun, go = asyncio.Event(), asyncio.Event()

        async def make() -> bytes:
            begun.set()
            await go.wait()
            return b"stale"

        async with ends(redis_url, 2) as (here, there), asyncio.TaskGroup() as group:
            fetch = group.create_task(here.cache.fetch("a", 60, make))
            await begun.wait()
            await there.cache.drop("a")
            go.set()
            assert await fetch == b"stale"
            assert await here.cache.get("a") is None
            assert await there.cache.get("a") is None


class TestLimiter:
    async def test_two_processes_count_exactly_together(self, redis_url: str) -> None:
        async with ends(redis_url, 2) as opened:
            hits = [end.limiter.hit("a", 50, 60) for _ in range(100) for end in opened]
            verdicts = await asyncio.gather(*hits)
        assert sorted(v.remaining for v in verdicts if v.allowed) == list(range(50))
        assert sum(not v.allowed for v in verdicts) == 150


class TestDoorbell:
    async def test_a_ring_wakes_the_other_process(self, redis_url: str) -> None:
        async with ends(redis_url, 2) as (here, there), asyncio.TaskGroup() as group:
            waiting = group.create_task(there.doorbell.wait(3600))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            here.doorbell.ring()
            await asyncio.wait_for(waiting, PATIENCE)

    async def test_many_rings_are_heard_as_few(self, redis_url: str) -> None:
        async with ends(redis_url, 2) as (here, there):
            for _ in range(100):
                here.doorbell.ring()
            async with asyncio.timeout(PATIENCE):
                await there.doorbell.wait(3600)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await there.doorbell.wait(3600)


async def _commands(end: End) -> int:
    info = await end.connection.call(lambda client: client.info("stats"))
    return int(info["total_commands_processed"])
