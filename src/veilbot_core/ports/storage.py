"""Storage: the one truth, reached in short units of work."""

from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeVar, runtime_checkable

from veilbot_core.domain.events import FOLLOW_UPS, Event
from veilbot_core.domain.jobs import DELAYS, Job, JobKind
from veilbot_core.ports import repositories as repo

T = TypeVar("T")


class UnitOfWork(Protocol):
    """The repositories inside one transaction."""

    users: repo.Users
    tariffs: repo.Tariffs
    servers: repo.Servers
    orders: repo.Orders
    payments: repo.Payments
    subscriptions: repo.Subscriptions
    keys: repo.Keys
    outbox: repo.Outbox
    jobs: repo.Jobs
    api_keys: repo.ApiKeys
    replies: repo.Replies
    turns: repo.Turns
    seals: repo.Seals

    def publish(self, *events: Event) -> None:
        """Write facts and the work that follows from them, in this transaction."""
        self.outbox.append(*events)
        self.jobs.ask(
            *(
                Job.ask(
                    kind,
                    event.subject,
                    event.at,
                    detail=event.type if kind is JobKind.ALERT else "",
                    due=event.at + DELAYS.get(kind, timedelta()),
                )
                for event in events
                for kind in FOLLOW_UPS.get(event.type, ())
            )
        )


@runtime_checkable
class Storage(Protocol):
    """Where everything is kept.

    A unit of work is a plain function of a `UnitOfWork`: it commits when it returns and rolls back when it raises.
    Because it cannot await, no network call can happen inside it; because it has no other effect, a storage may run
    it again after a serialisation failure, and may commit several together. The caller hears of it only after the
    commit.
    """

    @abstractmethod
    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` in a transaction that is durable when this returns.

        Raises:
            Unavailable: the database cannot be reached; nothing was written.
            Unknown: the connection broke during the commit.
        """

    @abstractmethod
    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Run ``work`` on a consistent snapshot; it must not write.

        Raises:
            Unavailable: the database cannot be reached.
        """

    @abstractmethod
    async def check(self) -> None:
        """Prove that the database answers and has the schema that this version needs.

        Raises:
            Unavailable: it does not answer.
            Rejected: its schema is older or newer than this version.
        """
