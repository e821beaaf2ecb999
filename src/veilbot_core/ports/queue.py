"""JobQueue: brings jobs that are due to whichever worker is free."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from veilbot_core.domain.jobs import Ticket

Take = Callable[[Ticket], Awaitable[None]]
"""What a worker does with a ticket; it returns when the job is over, one way or another."""


@runtime_checkable
class JobQueue(Protocol):
    """Carries tickets between the workers; the database stays the truth about jobs.

    A ticket may come twice, late, out of order, or never: the fence makes the first one the only one, and what is lost
    is handed over again when its lease ends.
    """

    @abstractmethod
    async def room(self) -> int:
        """Return how many more tickets it takes before they would only wait; perhaps none.

        Raises:
            Unavailable: it is out of reach; a worker runs what it claims by itself meanwhile.
        """

    @abstractmethod
    async def put(self, tickets: Sequence[Ticket]) -> None:
        """Hand tickets over; they outlive a crash of the queue when this returns.

        Raises:
            Unavailable: some may have been handed over all the same.
        """

    @abstractmethod
    def consume(self, take: Take, *, slots: int, drain: float) -> AbstractAsyncContextManager[None]:
        """Let ``take`` have tickets, up to ``slots`` at once, until the context is left.

        A ticket is gone when ``take`` returns. When it raises, or this process dies, any worker gets it again. Leaving
        ends the stream of tickets at once, gives ``drain`` seconds to what runs, and cancels what runs then. While the
        queue is out of reach nothing comes; afterwards it goes on by itself.
        """
