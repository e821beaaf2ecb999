"""The database of a simulation: memory storage that shows every commit."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from veilbot_adapters.memory import MemoryStorage
from veilbot_adapters.memory.storage import MemoryUnitOfWork
from veilbot_adapters.memory.tables import Journal
from veilbot_core.domain.ids import SubscriptionId
from veilbot_core.domain.jobs import SCHEDULES, Job
from veilbot_core.domain.key import Key
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Subscription
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell

Witness = Callable[[object, object], None]
"""Is told of each row that a commit changed: before and after, None for no row."""


class _TellingJournal(Journal):
    """Tells what was changed when it is kept."""

    def __init__(self, witness: Witness) -> None:
        super().__init__()
        self._witness = witness

    def keep(self) -> bool:
        undoing: list[Any] = list(self._steps)  # tables note partials of "write back what was there"
        kept = super().keep()
        for _, after, before in (step.args for step in undoing):
            self._witness(before, after)
        return kept


class WatchedStorage(MemoryStorage):
    """Commits at once; waiting for it, and its faults, are the business of each process's own way to it."""

    def __init__(
        self,
        doorbell: Doorbell,
        clock: Clock,
        witness: Witness,
        repositories: Callable[[Journal], MemoryUnitOfWork] = MemoryUnitOfWork,
    ) -> None:
        super().__init__(doorbell, clock, pause=_at_once)
        self.given_back = 0
        """How many jobs were given back for later so far."""
        self._witness = witness
        self._journal = _TellingJournal(self._see)
        self._uow = repositories(self._journal)

    def jobs(self) -> list[Job]:
        """Return all jobs that are no schedules, dead ones too."""
        rows: dict[Any, Job] = self._uow.jobs._table.rows  # noqa: SLF001 - the port lists none
        return [job for job in rows.values() if job.kind not in SCHEDULES]

    def row(self, subscription_id: SubscriptionId) -> tuple[Subscription, Sequence[Key]]:
        """Return a subscription and its keys as they are committed."""
        return self._uow.subscriptions.get(subscription_id), self._uow.keys.of_subscriptions([subscription_id])

    def servers(self) -> Sequence[Server]:
        """Return the servers as they are committed."""
        return self._uow.servers.all()

    def next_due(self) -> datetime | None:
        """Return when the next job can be claimed, one whose lease ends among them."""
        groups = (*self._uow.jobs._ready._groups.values(), *self._uow.jobs._leased._groups.values())  # noqa: SLF001
        return min((entries[0][0] for entries in groups), default=None)

    def _see(self, before: object, after: object) -> None:
        if isinstance(before, Job) and isinstance(after, Job) and before.leased_until and not after.leased_until:
            self.given_back += 1
        self._witness(before, after)


async def _at_once() -> None:
    """Wait for nothing."""
