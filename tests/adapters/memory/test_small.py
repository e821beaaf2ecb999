"""What single memory adapters promise beyond their ports."""

import asyncio
from uuid import UUID

import pytest

from veilbot_adapters.memory import (
    MemoryBus,
    MemoryCache,
    MemoryClock,
    MemoryFailpoints,
    MemoryIds,
    MemoryLimiter,
    MemoryNotifier,
)
from veilbot_core.domain.errors import Unavailable, Unknown
from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId, UserId
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.failpoints import Point
from veilbot_core.ports.notifier import Delivery, Message, Notice

CLOCK = MemoryClock()
USER = User(id=UserId(UUID(int=3)), telegram_id=7, name="Ann", language=Language.EN, created_at=CLOCK.now())
EVENT = Event(id=EventId(UUID(int=1)), type=EventType.ORDER_PAID, subject=UUID(int=2), at=CLOCK.now())


async def make() -> bytes:
    return b"made"


class TestIds:
    def test_one_seed_gives_one_history(self) -> None:
        first, again, other = MemoryIds(CLOCK, 1), MemoryIds(CLOCK, 1), MemoryIds(CLOCK, 2)
        history = [(first.new(), first.secret(), first.chance()) for _ in range(10)]
        assert history == [(again.new(), again.secret(), again.chance()) for _ in range(10)]
        assert history[0] != (other.new(), other.secret(), other.chance())


class TestCache:
    async def test_what_was_used_longest_ago_goes_first(self) -> None:
        cache = MemoryCache(CLOCK, size=2)
        await cache.set("a", b"1", 10)
        await cache.set("b", b"2", 10)
        await cache.get("a")
        await cache.set("c", b"3", 10)
        assert [await cache.get(name) for name in "abc"] == [b"1", None, b"3"]

    @pytest.mark.parametrize("meanwhile", ["drop", "set"])
    async def test_an_answer_that_went_stale_while_it_was_made_is_not_kept(self, meanwhile: str) -> None:
        cache, go = MemoryCache(CLOCK), asyncio.Event()

        async def slowly() -> bytes:
            await go.wait()
            return b"stale"

        async with asyncio.TaskGroup() as group:
            fetch = group.create_task(cache.fetch("a", 10, slowly))
            await asyncio.sleep(0)
            await (cache.drop("a") if meanwhile == "drop" else cache.set("a", b"fresh", 10))
            go.set()
        assert fetch.result() == b"stale"
        assert await cache.get("a") == (None if meanwhile == "drop" else b"fresh")
        assert await cache.fetch("a", 10, make) == (b"made" if meanwhile == "drop" else b"fresh")


class TestLimiter:
    async def test_a_flood_of_names_does_not_fill_the_memory(self) -> None:
        clock = MemoryClock()
        limiter = MemoryLimiter(clock, size=10)
        for number in range(100):
            await limiter.hit(str(number), 1, 60)
        assert len(limiter._windows) == 10
        assert not (await limiter.hit("99", 1, 60)).allowed
        await clock.advance(60)
        await limiter.hit("new", 1, 60)
        assert len(limiter._windows) == 1


class TestBus:
    async def test_a_failing_subscriber_starves_nobody_and_the_facts_come_again(self) -> None:
        bus, heard = MemoryBus(), list[Event]()

        async def fail(_: Event) -> None:
            raise ValueError("no")

        async def hear(event: Event) -> None:
            heard.append(event)

        stop = bus.subscribe(fail)
        bus.subscribe(hear)
        with pytest.raises(Unavailable, match="ValueError"):
            await bus.publish([EVENT])
        assert not bus.published
        stop()
        await bus.publish([EVENT])
        assert heard == [EVENT, EVENT]
        assert list(bus.published) == [EVENT]

    async def test_it_remembers_the_last_ones_only(self) -> None:
        bus = MemoryBus(keep=2)
        await bus.publish([EVENT] * 5)
        assert len(bus.published) == 2


class TestNotifier:
    async def test_it_writes_down_what_reached_whom(self) -> None:
        notifier = MemoryNotifier()
        message = Message(notice=Notice.READY, language=Language.RU)
        notifier.apply_then_fail()
        with pytest.raises(Unknown):
            await notifier.tell(USER, message)
        await notifier.tell(USER, message)
        assert notifier.told_to(USER.id) == [message, message]
        assert notifier.notices_of(USER.id) == [Notice.READY, Notice.READY]
        assert notifier.told_to(UserId(UUID(int=9))) == []

    async def test_a_customer_may_come_back(self) -> None:
        notifier, message = MemoryNotifier(), Message(notice=Notice.PAID, language=Language.EN)
        notifier.unreachable(USER.id)
        assert await notifier.tell(USER, message) is Delivery.UNREACHABLE
        notifier.unreachable(USER.id, again=True)
        assert await notifier.tell(USER, message) is Delivery.TOLD


class TestFailpoints:
    async def test_points_are_counted_and_act_at_the_pass_they_were_armed_for(self) -> None:
        failpoints, called = MemoryFailpoints(), list[int]()
        await failpoints.reach(Point.CALLED)
        failpoints.arm(Point.CALLED, KeyError("now"), nth=2)
        failpoints.arm(Point.CALLED, lambda: called.append(failpoints.passed[Point.CALLED]), nth=3)
        failpoints.pass_by(Point.CALLED)
        with pytest.raises(KeyError):
            await failpoints.reach(Point.CALLED)
        failpoints.pass_by(Point.CALLED)
        failpoints.pass_by(Point.CALLED)
        assert called == [4]
        assert failpoints.passed == {Point.CALLED: 5}
