"""A process's own way to the outside: each call takes time, and things go wrong on the way."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from random import Random
from typing import Protocol, TypeVar
from uuid import UUID

from veilbot_adapters.memory import MemoryBus, MemoryDoorbell, MemoryGateway, MemoryIds, MemoryNotifier
from veilbot_core.domain.errors import Rejected, Unavailable, Unknown
from veilbot_core.domain.events import Event
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import PaymentEvent
from veilbot_core.domain.user import User
from veilbot_core.ports.bus import Bus
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.notifier import Alert, Delivery, Message, Notifier
from veilbot_core.ports.payments import OpenCheckout, PaymentGateway, Told
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.ports.vpn import Endpoint, KeySpec, RemoteKey, ServerInfo, Unlisted, Usage, VpnProtocol
from veilbot_runners.simulation.faults import Fault
from veilbot_runners.simulation.process import Process, Surroundings
from veilbot_runners.simulation.storage import WatchedStorage

T = TypeVar("T")
PATIENCE = 10.0
"""Seconds after which the guarded way out gives a call up."""


class Outside(Surroundings, Protocol):
    """What all processes share."""

    storage: WatchedStorage
    gateway: MemoryGateway
    notifier: MemoryNotifier
    bus: MemoryBus
    told_now: ContextVar[UUID | None]
    """The order that the message of the running job is about."""
    processes: list[Process]
    hanging: set[ServerId]
    refusing: set[ServerId]
    database_away: bool

    @property
    def clock(self) -> Clock:
        """The time of all of them."""


class Way:
    """What all ways have in common."""

    def __init__(self, world: Outside, process: Process) -> None:
        self._world = world
        self._process = process

    async def _call(
        self, fault: Fault, port: str, subject: object, act: Callable[[], Awaitable[T]], *, weight: float = 0.7
    ) -> T:
        """Go there and back; a call may be refused, lost on the way, or lost on the way back."""
        world, process = self._world, self._process
        world.history.call(port, subject)
        await process.step(f"before {port}", weight=2)
        if world.faults.strikes(fault):
            world.history.faults[f"{port} refused"] += 1
            raise Unavailable(f"{port} is refused", retry_after=world.faults.random.choice((None, 1.0, 30.0)))
        if world.faults.strikes(fault, 0.4):
            await process.step(f"hanging {port}", wait=PATIENCE)
            raise Unknown(f"{port} gave no answer")
        answer = await act()
        world.history.note(process.name, port, subject)
        await process.step(f"after {port}", weight=2)
        if world.faults.strikes(fault, weight):
            world.history.faults[f"{port} unheard"] += 1
            raise Unknown(f"{port} failed after its effect")
        return answer


class SimStorage(Way, Storage):
    """The database as one process reaches it."""

    async def write(self, work: Callable[[UnitOfWork], T]) -> T:
        """Commit, unless the connection has its moods."""
        faults, shared = self._world.faults, self._world.storage
        await self._arrive()
        if faults.strikes(Fault.STORAGE, 0.5):
            raise Unknown("the connection broke before the commit")
        if faults.strikes(Fault.STORAGE, 0.5):
            shared.run_next_twice()
        known = shared.given_back
        result = await shared.write(work)
        if shared.given_back != known:  # its worker would look again within a second
            self._process.bell.ring()
        await self._process.step("after a commit")
        if faults.strikes(Fault.STORAGE, 0.5):
            self._world.history.faults["commit unheard"] += 1
            raise Unknown("the connection broke after the commit")
        return result

    async def read(self, work: Callable[[UnitOfWork], T]) -> T:
        """Look."""
        await self._arrive()
        result = await self._world.storage.read(work)
        await self._process.step("after a read", weight=0.5)
        return result

    async def check(self) -> None:
        """Answer."""
        await self._arrive()

    async def _arrive(self) -> None:
        await self._process.step("before the database")
        if self._world.database_away or self._world.faults.strikes(Fault.STORAGE, 0.5):
            raise Unavailable("the database does not answer")


class SimVpn(Way, VpnProtocol):
    """A protocol's servers as one process reaches them."""

    def __init__(self, world: Outside, process: Process, servers: VpnProtocol) -> None:
        super().__init__(world, process)
        self._servers = servers

    def settings(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Check what an operator gave."""
        return self._servers.settings(given)

    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        """Make the key be there."""
        return await self._at(endpoint, "issue", key.id, lambda: self._servers.issue(endpoint, key))

    async def revoke(self, endpoint: Endpoint, key_id: KeyId) -> None:
        """Make the key be gone."""
        await self._at(endpoint, "revoke", key_id, lambda: self._servers.revoke(endpoint, key_id))

    async def restore(self, endpoint: Endpoint, keys: Sequence[KeySpec]) -> Mapping[KeyId, str]:
        """Make many keys be there again."""
        act = self._servers.restore
        return await self._at(endpoint, "restore", endpoint.server_id, lambda: act(endpoint, keys))

    async def list(self, endpoint: Endpoint) -> Mapping[str, RemoteKey] | Unlisted:
        """Return all keys."""
        return await self._at(endpoint, "list", endpoint.server_id, lambda: self._servers.list(endpoint))

    async def usage(self, endpoint: Endpoint) -> Usage:
        """Return the traffic."""
        return await self._at(endpoint, "usage", endpoint.server_id, lambda: self._servers.usage(endpoint))

    async def probe(self, endpoint: Endpoint) -> ServerInfo:
        """Ask for a sign of life."""
        return await self._at(endpoint, "probe", endpoint.server_id, lambda: self._servers.probe(endpoint))

    async def _at(self, endpoint: Endpoint, method: str, subject: UUID, act: Callable[[], Awaitable[T]]) -> T:
        if endpoint.server_id in self._world.hanging:
            await self._process.step(f"hanging {method}", wait=PATIENCE)
            raise Unknown("the server gave no answer")
        if endpoint.server_id in self._world.refusing and method in {"issue", "restore"}:
            self._world.history.call(method, subject)
            await self._process.step(f"refused {method}")
            raise Rejected("the server is full")
        return await self._call(Fault.SERVERS, method, subject, act)


class SimGateway(Way, PaymentGateway):
    """The provider as one process reaches it."""

    async def open_checkout(self, order: Order) -> OpenCheckout:
        """Make the page."""
        act = self._world.gateway.open_checkout
        return await self._call(Fault.PROVIDERS, "open_checkout", order.id, lambda: act(order))

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent | None:
        """Verify and read."""
        return self._world.gateway.parse_webhook(body, headers)

    async def fetch(self, order: Order) -> PaymentEvent | None:
        """Ask what became of the checkout."""
        return await self._call(Fault.PROVIDERS, "fetch", order.id, lambda: self._world.gateway.fetch(order))

    async def told(self, since: datetime, until: datetime, *, after: str | None = None) -> Told:
        """List what happened."""
        act = self._world.gateway.told
        return await self._call(Fault.PROVIDERS, "told", after or "", lambda: act(since, until, after=after))

    async def refund(self, order: Order, charge_id: str, money: Money, *, attempt: str) -> PaymentEvent:
        """Send money back."""

        async def act() -> PaymentEvent:
            return await self._world.gateway.refund(order, charge_id, money, attempt=attempt)

        return await self._call(Fault.PROVIDERS, "refund", charge_id, act, weight=5)


class SimNotifier(Way, Notifier):
    """Telegram as one process reaches it."""

    async def tell(self, user: User, message: Message) -> Delivery:
        """Tell a customer."""
        subject = self._world.told_now.get()

        async def act() -> Delivery:
            delivery = await self._world.notifier.tell(user, message)
            if subject is not None:
                self._heard(subject, delivery)
            return delivery

        return await self._call(Fault.TELEGRAM, "tell", f"{user.id} {message.notice} {subject}", act)

    async def alert(self, alert: Alert) -> None:
        """Tell the operators."""
        act = self._world.notifier.alert
        await self._call(Fault.TELEGRAM, "alert", f"{alert.code} {alert.subject}", lambda: act(alert))

    def _heard(self, subject: UUID, delivery: Delivery) -> None:
        if delivery is Delivery.TOLD:
            self._world.history.told[subject] += 1
        else:
            self._world.history.gone.add(subject)


class SimBus(Way, Bus):
    """The bus as one process reaches it."""

    async def publish(self, events: Sequence[Event]) -> None:
        """Hand facts over."""
        for event in events:
            self._world.history.note("fact", event.type, event.subject, dict(event.data))
        await self._call(Fault.STORAGE, "publish", "", lambda: self._world.bus.publish(events))


class SimFailpoints(Way, Failpoints):
    """Places where dying is likelier."""

    async def reach(self, point: Point) -> None:
        """Pass a point between two awaits."""
        self._world.history.points[point] += 1
        await self._process.step(point, weight=5)

    def pass_by(self, point: Point) -> None:
        """Pass a point inside a unit of work."""
        self._world.history.points[point] += 1
        self._process.strike_inside(point)


class SimIds(MemoryIds):
    """Ids of one process; every secret can be told from what is none."""

    def __init__(self, clock: Clock, name: str) -> None:
        super().__init__(clock, Random(name).getrandbits(64))

    def secret(self) -> str:
        """Return a secret that is easily found where it should not be."""
        return f"canary-{super().secret()}"


class SimDoorbell(MemoryDoorbell):
    """A process's own bell; it passes over the looks, one a second, that would find nothing due."""

    def __init__(self, world: Outside) -> None:
        super().__init__()
        self._world = world

    async def wait(self, seconds: float) -> None:
        """Return at a ring, when a job is due, or after ``seconds``."""
        due = self._world.storage.next_due()
        left = seconds if due is None else (due - self._world.clock.now()).total_seconds()
        await super().wait(min(seconds, max(1.0, left)))


class Bells(Doorbell):
    """Rings in every living process, most of the time: a lost ring may cost a poll, never a job."""

    def __init__(self, world: Outside) -> None:
        self._world = world

    def ring(self) -> None:
        """Say that there is work."""
        for process in self._world.processes:
            if not process.dead and self._world.faults.random.random() < 0.9:
                process.bell.ring()

    async def wait(self, seconds: float) -> None:
        """Refuse: nobody waits for all of them."""
        raise NotImplementedError(seconds)
