"""Moving: the keys of a server find a place on others, and their customers notice nothing but a message."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from veilbot_core.cached import SERVERS, Cached
from veilbot_core.domain.errors import NoCapacity
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import Key, lasting
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.server import Server, ServerStatus
from veilbot_core.places import Places
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import keys_of, reserve

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """Each wanted key of a server gets a replacement elsewhere, and goes when that works (`Provisioning.apply`)."""

    storage: Storage
    cached: Cached
    clock: Clock
    policy: Policy
    failpoints: Failpoints

    async def ask(self, server_id: ServerId) -> Server:
        """Decide that a server is to be emptied; one in service drains from now on. Asking again goes on.

        Raises:
            NotFound: there is no such server.
        """

        def work(uow: UnitOfWork) -> Server:
            server = uow.servers.lock(server_id)
            if server.status is ServerStatus.ACTIVE:
                server = server.turn(ServerStatus.DRAINING)
                uow.servers.save(server)
            uow.jobs.ask(Job.ask(JobKind.MOVE_KEYS, server.id, self.clock.now()))
            return server

        return await self.cached.write(work, SERVERS)

    async def run(self, job: Job) -> None:
        """Reserve replacements, one commit per key, for at most half a lease; the rest follows at once.

        A key that fits nowhere stays; the operators hear of it at the end. The job's detail is the last key that was
        looked at. A server that is in service again keeps what it has.
        """
        await self.failpoints.reach(Point.ORDER_CLAIMED)
        deadline = self.clock.monotonic() + self.policy.lease.total_seconds() / 2
        server_id, after = ServerId(job.subject), KeyId(UUID(job.detail)) if job.detail else None
        stayed, page = False, await self.storage.read(_page_of(server_id, after))
        while page:
            for key in page:
                if self.clock.monotonic() >= deadline:
                    await self.storage.write(self._end(job, stayed=stayed, after=after))
                    return
                stayed |= key.desired.present and not await self._moves(key)
                after = key.id
            page = await self.storage.read(_page_of(server_id, after))
        await self.storage.write(self._end(job, stayed=stayed))
        await self.failpoints.reach(Point.APPLIED)

    async def _moves(self, key: Key) -> bool:
        """See that a key has a replacement; say whether it needs none that it cannot get."""
        try:
            await self.storage.write(self._move(key))
        except NoCapacity:
            return False
        await self.failpoints.reach(Point.APPLIED)
        return True

    def _move(self, key: Key) -> Callable[[UnitOfWork], None]:
        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            subscription = uow.subscriptions.lock(key.subscription_id)
            keys = keys_of(uow, [subscription])
            places = Places.look(uow, leaving=key.server_id)
            used = places.servers[key.server_id].status is ServerStatus.ACTIVE
            moves = not used and key.id in {one.id for one in lasting(keys)}
            if moves and subscription.wants_keys(now, self.policy.grace):
                reserve(uow, subscription, now, known=keys, places=places)

        return work

    def _end(self, job: Job, *, stayed: bool, after: KeyId | None = None) -> Callable[[UnitOfWork], None]:
        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            if stayed:
                uow.jobs.ask(Job.ask(JobKind.ALERT, job.subject, now, detail="keys.stay"))
            if after is not None:
                uow.jobs.ask(Job.ask(JobKind.MOVE_KEYS, job.subject, now, detail=str(after)))
            uow.jobs.finish(job)

        return work


def _page_of(server_id: ServerId, after: KeyId | None) -> Callable[[UnitOfWork], Sequence[Key]]:
    return lambda uow: uow.keys.of_server(server_id, limit=_BATCH, after=after)
