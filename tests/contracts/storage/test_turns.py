"""Turns: one message of a sender after the other, the lowest number first, each answered once."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

from tests.contracts.storage.things import NOW, SECOND, new_id

from veilbot_core.domain.turn import Turn
from veilbot_core.ports.storage import Storage

LEASE = 5 * SECOND
ANN, BOB = 501, 7_000_000_000  # more than 32 bits
ONE, TWO, THREE = new_id(), new_id(), new_id()


async def take(storage: Storage, number: int, holder: UUID, *, lane: int = ANN, now: datetime = NOW) -> Turn:
    return await storage.write(lambda uow: uow.turns.take(number, lane, holder, now, now + LEASE))


async def end(storage: Storage, number: int, holder: UUID) -> None:
    await storage.write(lambda uow: uow.turns.end(number, holder, NOW))


class TestTurns:
    async def test_the_next_begins_when_the_one_before_has_ended(self, storage: Storage) -> None:
        assert await take(storage, 1, ONE) is Turn.BEGUN
        assert await take(storage, 2, TWO) is Turn.WAITING
        assert await take(storage, 2, TWO) is Turn.WAITING
        await end(storage, 1, ONE)
        assert await take(storage, 2, TWO) is Turn.BEGUN

    async def test_lanes_know_nothing_of_each_other(self, storage: Storage) -> None:
        assert await take(storage, 1, ONE) is Turn.BEGUN
        assert await take(storage, 2, TWO, lane=BOB) is Turn.BEGUN

    async def test_of_those_that_wait_the_lowest_number_goes_first(self, storage: Storage) -> None:
        await take(storage, 1, ONE)
        assert await take(storage, 3, THREE) is Turn.WAITING
        assert await take(storage, 2, TWO) is Turn.WAITING
        await end(storage, 1, ONE)
        assert await take(storage, 3, THREE) is Turn.WAITING
        assert await take(storage, 2, TWO) is Turn.BEGUN

    async def test_what_has_begun_is_not_overtaken_by_a_lower_number(self, storage: Storage) -> None:
        assert await take(storage, 2, TWO) is Turn.BEGUN
        assert await take(storage, 1, ONE) is Turn.WAITING

    async def test_a_message_that_comes_twice_is_answered_once(self, storage: Storage) -> None:
        assert await take(storage, 1, ONE) is Turn.BEGUN
        assert await take(storage, 1, TWO) is Turn.WAITING
        await end(storage, 1, ONE)
        assert await take(storage, 1, TWO) is Turn.OVER
        assert await take(storage, 1, ONE) is Turn.OVER

    async def test_whoever_began_has_begun_though_the_answer_was_lost(self, storage: Storage) -> None:
        assert await take(storage, 1, ONE) is Turn.BEGUN
        assert await take(storage, 1, ONE) is Turn.BEGUN

    async def test_one_who_died_blocks_the_lane_until_its_time_is_over(self, storage: Storage) -> None:
        await take(storage, 1, ONE)
        before, after = NOW + LEASE - SECOND, NOW + LEASE
        assert await take(storage, 2, TWO, now=before) is Turn.WAITING
        assert await take(storage, 2, TWO, now=after) is Turn.BEGUN

    async def test_one_who_died_waiting_blocks_nobody_for_longer_either(self, storage: Storage) -> None:
        await take(storage, 1, ONE)
        await take(storage, 2, TWO)
        await end(storage, 1, ONE)
        assert await take(storage, 3, THREE, now=NOW + SECOND) is Turn.WAITING
        assert await take(storage, 3, THREE, now=NOW + LEASE) is Turn.BEGUN

    async def test_what_the_dead_left_is_taken_over_and_is_theirs_no_more(self, storage: Storage) -> None:
        await take(storage, 1, ONE)
        assert await take(storage, 1, TWO, now=NOW + LEASE) is Turn.BEGUN
        await end(storage, 1, ONE)
        await storage.write(lambda uow: uow.turns.leave(1, ONE))
        assert await take(storage, 1, ONE, now=NOW + LEASE) is Turn.WAITING

    async def test_who_renews_is_not_dead(self, storage: Storage) -> None:
        await take(storage, 1, ONE)
        await storage.write(lambda uow: uow.turns.renew(1, ONE, NOW + 2 * LEASE))
        await storage.write(lambda uow: uow.turns.renew(1, TWO, NOW + 9 * LEASE))
        assert await take(storage, 2, TWO, now=NOW + LEASE) is Turn.WAITING
        assert await take(storage, 2, TWO, now=NOW + 2 * LEASE) is Turn.BEGUN

    async def test_what_was_left_unanswered_is_new_when_it_comes_again(self, storage: Storage) -> None:
        await take(storage, 1, ONE)
        await take(storage, 2, TWO)
        await storage.write(lambda uow: uow.turns.leave(1, ONE))
        assert await take(storage, 2, TWO) is Turn.BEGUN
        assert await take(storage, 1, THREE) is Turn.WAITING

    async def test_old_ones_are_purged_in_bounded_steps(self, storage: Storage) -> None:
        for number in range(3):
            await take(storage, number, ONE)
            await end(storage, number, ONE)
        await take(storage, 3, ONE)
        late = NOW + timedelta(seconds=1)
        purged = [await storage.write(lambda uow: uow.turns.purge(late, 2)) for _ in range(3)]
        assert purged == [2, 1, 0]
        assert await take(storage, 3, TWO) is Turn.WAITING
        assert await take(storage, 0, TWO) is Turn.WAITING

    async def test_of_many_at_once_one_begins(self, storage: Storage) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(take(storage, number, new_id())) for number in range(8)]
        assert [task.result() for task in tasks].count(Turn.BEGUN) == 1
