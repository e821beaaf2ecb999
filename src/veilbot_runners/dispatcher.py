"""Dispatcher: shares due jobs among the workers by a queue, as long as there is one."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from veilbot_core.application import Application
from veilbot_core.domain.errors import PortError, Unavailable
from veilbot_core.domain.jobs import Job, Ticket
from veilbot_core.ports.queue import JobQueue

_LOG = structlog.get_logger(__name__)
_FULL = 0.05  # seconds until it looks again at a queue without room


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """One worker's dealings with the queue; every worker hands over and takes."""

    application: Application
    queue: JobQueue
    run: Callable[[Job], Awaitable[None]]
    """Runs a job that was taken."""

    async def hand_over(self, limit: int, poll: float) -> Sequence[Job] | None:
        """Give the queue what is due, or wait for a ring or ``poll`` seconds if nothing is.

        Never more than ``limit``, which is what this worker could do itself if the queue does not take it.

        Returns: jobs that the queue did not take and that are this worker's now; None if the queue is out of reach,
        and nothing was claimed.

        Raises:
            PortError: the database does not answer.
        """
        work = self.application.work
        try:
            room = await self.queue.room()
        except Unavailable:
            return None
        if not room:
            await self.application.clock.sleep(_FULL)
            return ()
        tickets = await work.hand_over(min(room, limit))
        if not tickets:
            await self.application.doorbell.wait(poll)
            return ()
        try:
            await self.queue.put(tickets)
        except Unavailable as error:  # a ticket that got through all the same is good no more
            _LOG.warning("the queue took nothing, this worker does it", jobs=len(tickets), error=str(error))
            return await work.take(tickets)
        return ()

    async def take(self, ticket: Ticket, poll: float) -> None:
        """Run the job of a ticket, if it is still good; without a database, keep it until there is one."""
        while True:
            try:
                jobs = await self.application.work.take([ticket])
            except PortError as error:
                _LOG.warning("the database does not answer", error=str(error))
                await self.application.clock.sleep(poll)
            else:
                break
        for job in jobs:
            await self.run(job)
