"""One customer's updates in several processes on one Postgres: in order, once, and not stopped by the dead."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import asyncpg  # type: ignore[import-untyped]
import pytest
from tests.contracts.storage.conftest import Bell
from tests.runners.bot.telegram import SECRET, Shop, Telegram, make_bot
from tests.runners.bot.test_updates import message
from tests.waiting import PATIENCE

from veilbot_adapters.database import Database, connect
from veilbot_adapters.memory import MemoryClock
from veilbot_adapters.system import SystemClock, SystemIds
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.turn import Turn
from veilbot_runners.bot.lanes import SharedLanes

CLOCK = SystemClock()
IDS = SystemIds(CLOCK)
Open = Callable[..., SharedLanes]


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Callable[[], Database]]:
    """Connect as one more process does."""
    opened: list[Database] = []

    def another() -> Database:
        opened.append(connect(postgres_url, Bell(), CLOCK))
        return opened[-1]

    yield another
    for one in opened:
        await one.close()


@pytest.fixture
def lanes(database: Callable[[], Database]) -> Open:
    """The lanes of one more process."""
    return lambda: SharedLanes(database(), CLOCK, IDS, lease=3600)


class Journal:
    """What was answered, and whether anything overlapped."""

    def __init__(self) -> None:
        self.done: list[tuple[int, int]] = []
        self.busy: set[int] = set()

    def work(self, sender: int, number: int, seconds: float = 0.002) -> Callable[[], Awaitable[int]]:
        async def answer() -> int:
            assert sender not in self.busy
            self.busy.add(sender)
            await asyncio.sleep(seconds)
            self.busy.discard(sender)
            self.done.append((sender, number))
            return number

        return answer


async def arrived(url: str, count: int) -> None:
    """Wait until so many updates stand in their lanes."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        while await connection.fetchval("SELECT count(*) FROM turns") < count:  # noqa: ASYNC110 - rows have no bell
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def test_updates_of_a_customer_go_one_after_the_other_in_their_order_through_three_processes(
    lanes: Open, postgres_url: str
) -> None:
    processes, journal, chance, gate = [lanes() for _ in range(3)], Journal(), random.Random(4), asyncio.Event()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for sender in (1, 2, 3):
            group.create_task(processes[sender - 1].run(sender, sender, gate.wait))
        await arrived(postgres_url, 3)
        rest = [(sender, 10 * number + sender) for sender in (1, 2, 3) for number in range(1, 7)]
        chance.shuffle(rest)  # they arrive in any order while the first ones are in work
        for sender, number in rest:
            group.create_task(chance.choice(processes).run(sender, number, journal.work(sender, number)))
        await arrived(postgres_url, 21)
        gate.set()
    for sender in (1, 2, 3):
        assert [number for who, number in journal.done if who == sender] == [10 * n + sender for n in range(1, 7)]


async def test_an_update_that_comes_twice_is_answered_once(lanes: Open) -> None:
    journal, one, other = Journal(), lanes(), lanes()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(end.run(1, 1, journal.work(1, 1, 0.1))) for end in (one, other, one, other)]
    assert sorted(task.result() or 0 for task in tasks) == [0, 0, 0, 1]
    assert await other.run(1, 1, journal.work(1, 1)) is None
    assert journal.done == [(1, 1)]


async def held_until(url: str, number: int) -> datetime:
    """Return when the lease of an update's turn ends."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        until: datetime = await connection.fetchval("SELECT until FROM turns WHERE number = $1", number)
        return until
    finally:
        await connection.close()


async def test_work_longer_than_the_lease_keeps_its_lane(database: Callable[[], Database], postgres_url: str) -> None:
    clock, journal, gate = MemoryClock(CLOCK.now()), Journal(), asyncio.Event()
    one, other = (SharedLanes(database(), clock, IDS, lease=3.0) for _ in range(2))
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(one.run(1, 1, gate.wait))
        await arrived(postgres_url, 1)
        second = group.create_task(other.run(1, 2, journal.work(1, 2)))
        await arrived(postgres_url, 2)
        for _ in range(9):
            held = await held_until(postgres_url, 1)
            await clock.advance(1.0)
            while await held_until(postgres_url, 1) == held:  # noqa: ASYNC110 - rows have no bell
                await asyncio.sleep(0.01)
        assert not journal.done
        gate.set()
        while not second.done():
            await clock.advance(0.01)
            await asyncio.sleep(0.005)
    assert journal.done == [(1, 2)]


async def test_a_process_that_died_blocks_nobody_for_longer_than_its_lease(
    lanes: Open, database: Callable[[], Database]
) -> None:
    now, gone = CLOCK.now(), IDS.new()
    taken = await database().write(lambda uow: uow.turns.take(1, 1, gone, now, now + timedelta(seconds=0.5)))
    assert taken is Turn.BEGUN
    journal, alive = Journal(), lanes()
    async with asyncio.timeout(PATIENCE):
        await alive.run(1, 2, journal.work(1, 2))
        await alive.run(1, 1, journal.work(1, 1))  # Telegram had no answer and sends it again
    assert journal.done == [(1, 2), (1, 1)]


async def test_work_that_was_cut_off_may_come_again_and_work_that_failed_is_over(lanes: Open) -> None:
    journal, one, other = Journal(), lanes(), lanes()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await one.run(1, 1, journal.work(1, 1, 60))
    journal.busy.clear()

    async def explode() -> None:
        raise ZeroDivisionError

    async with asyncio.timeout(PATIENCE):  # and not only after the lease
        assert await other.run(1, 1, journal.work(1, 1)) == 1
        with pytest.raises(ZeroDivisionError):
            await one.run(1, 2, explode)
        assert await other.run(1, 2, journal.work(1, 2)) is None


async def test_without_the_database_the_update_must_come_again(database: Callable[[], Database]) -> None:
    closed = database()
    await closed.close()
    with pytest.raises(Unavailable):
        await SharedLanes(closed, CLOCK, IDS).run(1, 1, Journal().work(1, 1))


async def test_two_bots_answer_one_update_once(telegram: Telegram, database: Callable[[], Database]) -> None:
    telegram.sandbox.chats.all.pop(501, None)
    telegram.sandbox.chats.open(501, "Ann")
    shop = Shop(telegram)
    apps = [replace(shop.app, storage=database(), clock=CLOCK, ids=IDS) for _ in range(2)]
    bots = [make_bot(app, telegram, shop.api, webhook=True, several=True) for app in apps]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bot.feed(message(1, text="/start"), SECRET)) for bot in bots * 2]
    assert sum(task.result() is not None for task in tasks) == 1
    for bot in bots:
        await bot.close()
    await shop.close()
