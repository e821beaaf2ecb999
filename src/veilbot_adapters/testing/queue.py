"""The contract of the job queue port."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.ids import JobId
from veilbot_core.domain.jobs import JobKind, Ticket
from veilbot_core.ports.queue import JobQueue

_PATIENCE = 60.0  # seconds after which something will never happen, on any machine


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQueueSubject:
    """An empty queue as two workers reach it."""

    queue: JobQueue
    other: JobQueue
    break_once: Callable[[], None]
    """Let the next `JobQueue.put` of ``queue`` not reach anybody."""


def tickets(count: int) -> list[Ticket]:
    """Return as many different tickets."""
    kinds = list(JobKind)
    return [
        Ticket(
            id=JobId(UUID(int=n)),
            fence=n,
            lease=datetime(2026, 1, 1, second=n % 60, microsecond=n, tzinfo=UTC),
            kind=kinds[n % len(kinds)],
            subject=UUID(int=-n % 2**128),
            detail=f"d{n}",
        )
        for n in range(1, count + 1)
    ]


@dataclass(slots=True)
class Worker:
    """Takes tickets, and remembers."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Nothing ends before it is open."""
    begun: list[Ticket] = field(default_factory=list)
    ended: list[Ticket] = field(default_factory=list)
    most: int = 0
    """How many it held at once."""
    fails: int = 0
    """How many of the next it cannot do."""

    async def take(self, ticket: Ticket) -> None:
        """Hold it until the gate opens."""
        self.begun.append(ticket)
        self.most = max(self.most, len(self.begun) - len(self.ended))
        if self.fails > 0:
            self.fails -= 1
            self.begun.remove(ticket)
            raise ZeroDivisionError
        await self.gate.wait()
        self.ended.append(ticket)


async def until(true: Callable[[], bool]) -> None:
    """Wait, within bounds, until something is true."""
    async with asyncio.timeout(_PATIENCE):
        while not true():  # noqa: ASYNC110 - what is waited for may be far away
            await asyncio.sleep(0.01)


@asynccontextmanager
async def working(
    queue: JobQueue, *, slots: int = 4, drain: float = _PATIENCE, closed: bool = False, fails: int = 0
) -> AsyncIterator[Worker]:
    """Let a worker consume; it is told of failures and of its gate before the first ticket comes."""
    worker = Worker(fails=fails)
    if not closed:
        worker.gate.set()
    async with queue.consume(worker.take, slots=slots, drain=drain):
        yield worker


def names(held: Sequence[Ticket]) -> Counter[Ticket]:
    """Count what was held, in no order."""
    return Counter(held)


@pytest.mark.asyncio
class JobQueueContract:
    """A `JobQueue` carries each ticket to one worker that ends it, whatever becomes of the others."""

    @pytest.fixture
    def subject(self) -> JobQueueSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_job_queue(self, subject: JobQueueSubject) -> None:
        assert isinstance(subject.queue, JobQueue)

    async def test_tickets_arrive_whole(self, subject: JobQueueSubject) -> None:
        put = tickets(10)
        async with working(subject.queue) as worker:
            await subject.queue.put(put[:3])
            await subject.other.put([])
            await subject.other.put(put[3:])
            await until(lambda: len(worker.ended) >= len(put))
        assert names(worker.ended) == names(put)

    async def test_what_was_put_before_anybody_listened_is_there(self, subject: JobQueueSubject) -> None:
        put = tickets(3)
        await subject.queue.put(put)
        async with working(subject.other) as worker:
            await until(lambda: len(worker.ended) >= len(put))
        assert names(worker.ended) == names(put)

    async def test_a_worker_holds_no_more_than_its_slots(self, subject: JobQueueSubject) -> None:
        put = tickets(9)
        await subject.queue.put(put)
        async with working(subject.queue, slots=2, closed=True) as worker:
            await until(lambda: len(worker.begun) == 2)
            await asyncio.sleep(0.05)
            assert len(worker.begun) == 2
            worker.gate.set()
            await until(lambda: len(worker.ended) >= len(put))
        assert worker.most == 2

    async def test_what_is_held_by_one_is_not_given_to_the_other(self, subject: JobQueueSubject) -> None:
        put = tickets(8)
        async with (
            working(subject.queue, slots=3, closed=True) as one,
            working(subject.other, slots=5, closed=True) as two,
        ):
            await subject.queue.put(put)
            await until(lambda: len(one.begun) + len(two.begun) == len(put))
            one.gate.set()
            two.gate.set()
            await until(lambda: len(one.ended) + len(two.ended) == len(put))
        assert names([*one.ended, *two.ended]) == names(put)
        assert (len(one.ended), len(two.ended)) == (3, 5)

    async def test_room_is_what_does_not_wait_yet(self, subject: JobQueueSubject) -> None:
        before = await subject.queue.room()
        put = tickets(5)
        await subject.queue.put(put)
        assert await subject.other.room() == before - 5
        async with working(subject.queue) as worker:
            await until(lambda: len(worker.ended) >= len(put))
        assert await subject.queue.room() == before

    async def test_a_ticket_whose_taker_failed_comes_again(self, subject: JobQueueSubject) -> None:
        put = tickets(2)
        async with working(subject.queue, fails=3) as worker:
            await subject.queue.put(put)
            await until(lambda: len(worker.ended) >= len(put))
        assert worker.fails == 0
        assert names(worker.ended) == names(put)

    async def test_leaving_lets_what_runs_end_and_leaves_the_rest(self, subject: JobQueueSubject) -> None:
        put = tickets(6)
        await subject.queue.put(put)
        async with working(subject.queue, slots=2, closed=True) as leaving:
            await until(lambda: len(leaving.begun) == 2)
            asyncio.get_running_loop().call_later(0.1, leaving.gate.set)
        assert len(leaving.ended) == 2
        async with working(subject.other) as staying:
            await until(lambda: len(staying.ended) >= 4)
        assert names([*leaving.ended, *staying.ended]) == names(put)

    async def test_what_does_not_end_is_cut_off_and_comes_again(self, subject: JobQueueSubject) -> None:
        put = tickets(3)
        await subject.queue.put(put)
        async with working(subject.queue, slots=2, drain=0.1, closed=True) as slow:
            await until(lambda: len(slow.begun) == 2)
        assert slow.ended == []
        async with working(subject.other) as worker:
            await until(lambda: len(worker.ended) >= len(put))
        assert names(worker.ended) == names(put)

    async def test_what_failed_can_be_put_again(self, subject: JobQueueSubject) -> None:
        put = tickets(3)
        subject.break_once()
        with pytest.raises(Unavailable):
            await subject.queue.put(put)
        await subject.queue.put(put)
        async with working(subject.other) as worker:
            await until(lambda: len(worker.ended) >= len(put))
        assert names(worker.ended) == names(put)
