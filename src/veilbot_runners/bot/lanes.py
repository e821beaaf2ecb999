"""Lanes: each customer's updates one after the other and each once, different customers side by side, not too many.

One process keeps its lanes in memory. Where several take the updates of one bot, behind a webhook, the lanes are
rows of the one database that all of them share.
"""

import asyncio
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar
from uuid import UUID

import structlog

from veilbot_core.domain.errors import PortError, Unavailable
from veilbot_core.domain.turn import Turn
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.storage import Storage, UnitOfWork

_LOG = structlog.get_logger(__name__)
T = TypeVar("T")
_PLACES = 64  # updates in work at once
_REMEMBERED = 10_000  # update ids of one process
_KEPT = timedelta(days=1)  # Telegram tries no longer
_LOOK = (0.02, 0.2)  # seconds between looks whether it is one's turn, at first and at most
_PATIENCE = 50.0  # seconds for that; Telegram waits 60 for an answer, and comes again
_CLEAN = 100  # updates between two cleanings


class Lanes(Protocol):
    """Decides when an update is answered."""

    @abstractmethod
    async def run(self, sender: int, number: int, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do ``work`` when nothing before it in the sender's lane is left; None when that update was answered before.

        Work that was cancelled has not been done: the update may come again. Work that failed has.

        Raises:
            Unavailable: its turn does not come; the update must come again.
        """


class _Lane:
    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class LocalLanes(Lanes):
    """First come, first served within a lane of this process; at most ``most`` lanes move at once."""

    def __init__(self, most: int = _PLACES) -> None:
        self._places = asyncio.Semaphore(most)
        self._lanes: dict[int, _Lane] = {}
        self._seen: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        """Count the lanes that are in use."""
        return len(self._lanes)

    async def run(self, sender: int, number: int, work: Callable[[], Awaitable[T]]) -> T | None:
        """Wait for those before in the same lane, then for a place; nobody waits in two places with one."""
        lane = self._lanes.setdefault(sender, _Lane())
        lane.users += 1
        try:
            async with lane.lock, self._places:
                return None if number in self._seen else await self._once(number, work)
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[sender]

    async def _once(self, number: int, work: Callable[[], Awaitable[T]]) -> T:
        try:
            result = await work()
        except Exception:
            self._remember(number)
            raise
        self._remember(number)
        return result

    def _remember(self, number: int) -> None:
        self._seen[number] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


class SharedLanes(Lanes):
    """The lowest number first within a lane of all processes on one database; at most ``most`` move in this one.

    A process that dies holds a lane for ``lease`` seconds at most. One that sleeps for longer, and goes on, may
    answer an update while another answers the next: then the order is lost, and nothing else.
    """

    def __init__(self, storage: Storage, clock: Clock, ids: Ids, *, most: int = _PLACES, lease: float = 5.0) -> None:
        self._storage = storage
        self._clock = clock
        self._ids = ids
        self._places = asyncio.Semaphore(most)
        self._lease = lease
        self._ended = 0

    async def run(self, sender: int, number: int, work: Callable[[], Awaitable[T]]) -> T | None:
        """Wait for those before, in whatever process, then for a place."""
        holder = self._ids.new()
        try:
            if not await self._begin(sender, number, holder):
                return None
            result = await self._hold(number, holder, work)
        except asyncio.CancelledError:
            await self._write(lambda uow: uow.turns.leave(number, holder))
            raise
        if isinstance(result, Exception):
            raise result
        return result

    async def _begin(self, sender: int, number: int, holder: UUID) -> bool:
        """Wait for the turn; say whether there is one. Raises Unavailable."""
        wait, most = _LOOK
        end = self._clock.monotonic() + _PATIENCE
        while self._clock.monotonic() < end:
            turn = await self._storage.write(
                lambda uow: uow.turns.take(number, sender, holder, self._clock.now(), self._until())
            )
            if turn is not Turn.WAITING:
                return turn is Turn.BEGUN
            await self._clock.sleep(wait)
            wait = min(wait * 1.5, most)
        await self._write(lambda uow: uow.turns.leave(number, holder))
        raise Unavailable("the updates before this one take too long")

    async def _hold(self, number: int, holder: UUID, work: Callable[[], Awaitable[T]]) -> T | Exception:
        """Do the work, and keep the lane meanwhile; what it raises is returned, or the group would wrap it."""
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew(number, holder))
            try:
                async with self._places:
                    result: T | Exception = await work()
            except Exception as error:  # noqa: BLE001 - raised again outside the group
                result = error
            renewing.cancel()
        await self._write(lambda uow: self._end(uow, number, holder))
        return result

    async def _renew(self, number: int, holder: UUID) -> None:
        while True:
            await self._clock.sleep(self._lease / 3)
            await self._write(lambda uow: uow.turns.renew(number, holder, self._until()))

    async def _write(self, work: Callable[[UnitOfWork], object]) -> None:
        """Write what the lease mends where it fails."""
        try:
            await self._storage.write(work)
        except PortError as error:
            _LOG.warning("a lane stays taken until its lease ends", error=str(error))

    def _end(self, uow: UnitOfWork, number: int, holder: UUID) -> None:
        now = self._clock.now()
        uow.turns.end(number, holder, now)
        self._ended += 1
        if self._ended % _CLEAN == 0:
            uow.turns.purge(now - _KEPT, 2 * _CLEAN)

    def _until(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._lease)
