"""Storage in memory."""

from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar

from veilbot_adapters.memory.jobs import MemoryJobs, MemoryOutbox
from veilbot_adapters.memory.keys import MemoryKeys
from veilbot_adapters.memory.network import Pause, inside_unit_of_work, step_aside
from veilbot_adapters.memory.offers import MemoryServers, MemoryTariffs
from veilbot_adapters.memory.orders import MemoryOrders, MemoryPayments
from veilbot_adapters.memory.requests import MemoryApiKeys, MemoryReplies
from veilbot_adapters.memory.seals import MemorySeals
from veilbot_adapters.memory.subscriptions import MemorySubscriptions
from veilbot_adapters.memory.tables import Journal
from veilbot_adapters.memory.turns import MemoryTurns
from veilbot_adapters.memory.users import MemoryUsers
from veilbot_core.domain.errors import Unavailable, Unknown
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.storage import Storage, UnitOfWork

T = TypeVar("T")


class MemoryUnitOfWork(UnitOfWork):
    """The repositories over one world."""

    def __init__(self, journal: Journal) -> None:
        self.users = MemoryUsers(journal)
        self.tariffs = MemoryTariffs(journal)
        self.servers = servers = MemoryServers(journal)
        self.orders = MemoryOrders(journal)
        self.payments = MemoryPayments(journal)
        self.subscriptions = subscriptions = MemorySubscriptions(journal)
        self.keys = keys = MemoryKeys(journal)
        self.outbox = MemoryOutbox(journal)
        self.jobs = MemoryJobs(journal)
        self.api_keys = MemoryApiKeys(journal)
        self.replies = MemoryReplies(journal)
        self.turns = MemoryTurns(journal)
        self.seals = MemorySeals(servers, subscriptions, keys)


class MemoryStorage(Storage):
    """One world in dictionaries and sorted lists; it lives as long as this object and survives a simulated crash.

    A unit of work runs at once and alone, between two pauses in which other tasks may go on; what it changed is
    undone from a journal when it raises. Inside it the context variable ``inside_unit_of_work`` is true.

    Switches, each for one coming call or commit:

    - `fail_next`: it raises an error before anything happens;
    - `lose_next_commit`: the function runs, nothing is kept, the caller hears Unknown;
    - `commit_then_fail`: everything is kept, the caller hears Unknown all the same;
    - `run_next_twice`: the function runs, is undone and runs again, as after a serialisation failure;
    - `go_down`: nothing answers for a while.
    """

    def __init__(self, doorbell: Doorbell, clock: Clock, *, pause: Pause = step_aside) -> None:
        self.commits = 0
        self._doorbell = doorbell
        self._clock = clock
        self._pause = pause
        self._journal = Journal()
        self._uow = MemoryUnitOfWork(self._journal)
        self._failures: deque[BaseException] = deque()
        self._switches: Counter[str] = Counter()
        self._down_until = float("-inf")

    def fail_next(self, error: BaseException, *, times: int = 1) -> None:
        """Let the next call raise ``error``; nothing was written."""
        self._failures.extend([error] * times)

    def go_down(self, seconds: float) -> None:
        """Let every call raise Unavailable until the clock has moved so far."""
        self._down_until = self._clock.monotonic() + seconds

    def lose_next_commit(self) -> None:
        """Let the next write run and its commit be lost."""
        self._switches["lost"] += 1

    def commit_then_fail(self) -> None:
        """Let the next write be kept and its answer be lost."""
        self._switches["unheard"] += 1

    def run_next_twice(self) -> None:
        """Let the next write run again after it was undone."""
        self._switches["twice"] += 1

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work``, keep or undo what it did, and ring if it asked for jobs."""
        await self._begin()
        try:
            if self._spend("twice"):
                self._run(work)
                self._journal.undo()
            self._uow.jobs.asked = False
            result = self._run(work)
        except BaseException:
            self._journal.undo()
            raise
        if self._spend("lost"):
            self._journal.undo()
            raise Unknown("the connection broke during the commit")
        if self._journal.keep():
            self.commits += 1
        if self._uow.jobs.asked:
            self._doorbell.ring()
        unheard = self._spend("unheard")
        await self._pause()
        if unheard:
            raise Unknown("the connection broke after the commit")
        return result

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work``; what it writes is undone, and it is told."""
        await self._begin()
        try:
            result = self._run(work)
        finally:
            wrote = self._journal.undo()
        if wrote:
            raise TypeError("a unit of work that only reads has written")
        await self._pause()
        return result

    async def check(self) -> None:
        """Answer."""
        await self._begin()

    async def _begin(self) -> None:
        await self._pause()
        if self._failures:
            raise self._failures.popleft()
        if self._clock.monotonic() < self._down_until:
            raise Unavailable("the database is down")

    def _spend(self, switch: str) -> bool:
        """Say whether a switch is set, and count that down."""
        is_set = self._switches[switch] > 0
        self._switches[switch] -= is_set
        return is_set

    def _run(self, work: Callable[[UnitOfWork], T]) -> T:
        token = inside_unit_of_work.set(True)
        try:
            return work(self._uow)
        finally:
            inside_unit_of_work.reset(token)
