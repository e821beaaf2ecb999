"""World: the shared outside of a simulation, and the processes that stand in it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar
from uuid import UUID

from dependency_injector import providers

from veilbot_adapters import memory
from veilbot_adapters.memory.storage import MemoryUnitOfWork
from veilbot_adapters.memory.tables import Journal
from veilbot_adapters.unheard import UnheardGateway, UnheardVpn
from veilbot_core.application import Application
from veilbot_core.domain.ids import OrderId, ServerId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import Key
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Protocol, Tariff
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.vpn import Metering
from veilbot_core.services.work import Handler
from veilbot_runners.container import Container
from veilbot_runners.settings import Settings
from veilbot_runners.simulation import ports, shelf
from veilbot_runners.simulation.faults import Fault, Faults
from veilbot_runners.simulation.history import History
from veilbot_runners.simulation.loop import VirtualLoop
from veilbot_runners.simulation.process import NoAnswer, Process
from veilbot_runners.simulation.queue import Broker, SimQueue
from veilbot_runners.simulation.running import Running
from veilbot_runners.simulation.storage import WatchedStorage
from veilbot_runners.worker import Worker

T = TypeVar("T")
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_SETTINGS = Settings.model_construct()
_BUSY = {JobKind.SWEEP: 5, JobKind.EXPIRE: 10, JobKind.PROBE: 6, JobKind.RECONCILE: 20, JobKind.SETTLE: 10}
_QUIET = {JobKind.SWEEP: 360, JobKind.EXPIRE: 180, JobKind.PROBE: 720, JobKind.RECONCILE: 720, JobKind.SETTLE: 1440}
_TOLD = frozenset({JobKind.TELL_READY, JobKind.TELL_MOVED})
_POLLS = {"trade": 60.0, "settle": 300.0, "quiet": 7200.0}


class LoopClock(Clock):
    """The time of the loop, as if it had begun on a certain day."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        """Return the virtual wall time."""
        return START + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """Return the virtual seconds since the start."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)


class Rhythm(Mapping[JobKind, timedelta]):
    """How often schedules fire and workers look: often while something goes on, seldom in quiet weeks."""

    def __init__(self) -> None:
        self.phase = "trade"

    def __getitem__(self, kind: JobKind) -> timedelta:
        return timedelta(minutes=(_QUIET if self.phase == "quiet" else _BUSY)[kind])

    def __iter__(self) -> Iterator[JobKind]:
        return iter(_BUSY)

    def __len__(self) -> int:
        return len(_BUSY)

    @property
    def poll(self) -> float:
        """Seconds between looks of a worker that nobody rings for."""
        return _POLLS[self.phase]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """Where a test puts a bug in, to see that it is found."""

    wire: Callable[[Container], object] = lambda _: None
    """Is given the wired graph of each process before anything is made of it."""
    repositories: Callable[[Journal], MemoryUnitOfWork] = MemoryUnitOfWork


@dataclass(slots=True)
class Truth:
    """What really happened outside, beside the provider's and the servers' own records."""

    approved: set[OrderId] = field(default_factory=set)
    """Held orders that an operator let through."""
    extended: dict[str, int] = field(default_factory=dict)
    """Days by request, of which an operator was told that they are given."""
    opened: dict[OrderId, Money] = field(default_factory=dict)
    """Orders that a customer was shown, with the price that was shown."""
    booked: set[tuple[str, str]] = field(default_factory=set)
    """Charges and refunds whose webhooks were answered 2xx."""
    asked: Counter[OrderId] = field(default_factory=Counter)
    """How often an operator asked for money to be sent back."""
    sent_again: set[UUID] = field(default_factory=set)
    """Refunds that failed and that an operator has sent again, by the failure's payment."""
    promised: set[OrderId] = field(default_factory=set)
    """Orders whose operator was told that money will go back."""
    disputes: dict[OrderId, str] = field(default_factory=dict)
    """``open``, ``won`` or ``lost``, as the bank says."""
    foreign: dict[ServerId, set[str]] = field(default_factory=dict)
    """Keys on servers that are not ours."""
    roomy: bool = False
    """Whether operators have seen to it that nobody waits for a place any more."""


class World:
    """The database, the provider, the servers and Telegram; and the processes of the shop."""

    def __init__(self, loop: VirtualLoop, random: Random, faults: Faults, plant: Plant, *, keep: bool) -> None:
        self.loop, self.random, self.faults, self.plant = loop, random, faults, plant
        self.clock = LoopClock(loop)
        self.history = History(loop.time, keep=keep)
        self.rhythm = Rhythm()
        self.policy = Policy(every=self.rhythm, order_ttl=timedelta(minutes=30))
        self.processes: list[Process] = []
        self.machines: list[asyncio.Task[None]] = []
        self.storage = WatchedStorage(ports.Bells(self), self.clock, self._witness, plant.repositories)
        self.gateway = memory.MemoryGateway(self.clock, secret="canary of the webhooks")  # noqa: S106 - a fake's
        self.vpns = {
            Protocol.OUTLINE: memory.MemoryVpn(Protocol.OUTLINE, metering=Metering.WINDOW),
            Protocol.V2RAY: memory.MemoryVpn(
                Protocol.V2RAY, metering=Metering.COUNTER, limits=False, lists=_lists(random), uptime=self.clock
            ),
        }
        self.notifier = memory.MemoryNotifier(keep=100_000)
        self.bus = memory.MemoryBus(keep=1_000_000)
        self.told_now: ContextVar[UUID | None] = ContextVar("told_now", default=None)
        self.truth = Truth()
        self.running = Running(self.clock, self.history, self.policy.lease)
        self.broker: Broker | None = None
        if Fault.BROKER in faults.kinds:
            self.broker = Broker(self, Random(faults.random.random()))
        self.tariffs: list[Tariff] = []
        self.servers: list[Server] = []
        self.hanging: set[ServerId] = set()
        self.refusing: set[ServerId] = set()
        self.database_away = False
        self.silent_until = 0.0
        """Seconds of virtual time until which no webhook of the provider leaves it."""
        self._container = Container(settings=providers.Object(_SETTINGS))
        self.underway = 0
        """Webhooks that the provider still tries to deliver."""

    def build(self, process: Process) -> Application:
        """Wire the real services for one process."""
        container, failpoints = self._container, ports.SimFailpoints(self, process)
        gateway = UnheardGateway(ports.SimGateway(self, process), failpoints)
        adapters = {
            "clock": self.clock,
            "ids": ports.SimIds(self.clock, process.name),
            "doorbell": process.bell,
            "cache": memory.MemoryCache(self.clock),
            "limiter": memory.MemoryLimiter(self.clock),
            "bus": ports.SimBus(self, process),
            "storage": ports.SimStorage(self, process),
            "secrets": memory.MemorySecrets(),
            "failpoints": failpoints,
            "gateways": {Provider.STRIPE: gateway},
            "notifier": ports.SimNotifier(self, process),
            "protocols": {
                kind: UnheardVpn(ports.SimVpn(self, process, vpn), failpoints) for kind, vpn in self.vpns.items()
            },
            "policy": self.policy,
        }
        for name, adapter in adapters.items():
            container.providers[name].reset_override()
            container.providers[name].override(providers.Object(adapter))
        container.reset_singletons()
        self.plant.wire(container)
        application: Application = container.application()
        handlers = {kind: self._watched(process, kind, handler) for kind, handler in application.work.handlers.items()}
        return replace(application, work=replace(application.work, handlers=handlers))

    def process(self, name: str) -> Process:
        """Start a process that does nothing by itself yet."""
        process = Process(self, name, ports.SimDoorbell(self))
        process.application = self.build(process)
        return process

    async def machine(self, number: int) -> None:
        """Run processes one after another, as an init system does."""
        for incarnation in range(1, 1_000_000):
            process = self.process(f"p{number}.{incarnation}")
            self.processes.append(process)
            await process.live(self._worker(process))
            self.processes.remove(process)
            await asyncio.sleep(self.faults.random.uniform(1, 60))

    async def call(self, act: Callable[[Application], Awaitable[T]], *, patience: float = 30.0) -> T:
        """Ask one of the living processes. Raises NoAnswer, or what the service raises."""
        alive = [process for process in self.processes if not process.dead]
        if not alive:
            await asyncio.sleep(1)
            raise NoAnswer
        return await self.random.choice(alive).ask(act, patience)

    def calm(self) -> None:
        """End all trouble from outside."""
        self.history.note("the trouble is over")
        self.faults.active = False
        self.database_away = False
        if self.broker is not None:
            self.broker.come_back()
        self.hanging.clear()
        self.refusing.clear()
        for vpn in self.vpns.values():
            for server in vpn.servers.values():
                server.down = False
        for process in self.processes:
            self.loop.resume(process)

    def pace(self, phase: str) -> None:
        """Let the shop look often, or seldom."""
        self.rhythm.phase = phase
        for process in self.processes:
            if process.worker is not None:
                process.worker.poll = self.rhythm.poll

    def vpn_of(self, server: Server) -> memory.MemoryVpn:
        """Return the world's side of a server's protocol."""
        return self.vpns[server.protocol]

    def _witness(self, before: object, after: object) -> None:
        """See one row change in a commit, beside all others as they are then."""
        self.history.witness(before, after)
        if isinstance(before, Job) and not (isinstance(after, Job) and after.leased_until):
            self.running.over(before)
        if isinstance(before, Order) and isinstance(after, Order) and after.status is not before.status:
            page = self.gateway.checkouts.get(after.id)
            if after.status is OrderStatus.CANCELED and page is not None and page.processing:
                self.history.breach("money_on_its_way_keeps_its_order_open", f"order {after.id}")
        if before is None and isinstance(after, Order) and (protocols := shelf.lacks(self.storage, after)):
            self.history.breach("nothing_is_sold_without_room", f"order {after.id}: {', '.join(protocols)}")
        if not (isinstance(before, Key) and isinstance(after, Key)) or after.desired.present or before.replaces:
            return
        subscription, keys = self.storage.row(after.subscription_id)
        paid = after.protocol in subscription.terms.protocols
        others = any(key.works and (key.protocol is after.protocol or not paid) for key in keys)
        if before.works and subscription.wants_keys(self.clock.now(), self.policy.grace) and not others:
            self.history.breach("nobody_is_left_without_a_key", f"key {after.id} of {subscription.id}")

    def _worker(self, process: Process) -> Worker:
        """Make the worker of a process; with a broker, it shares its jobs."""
        queue = None if self.broker is None else SimQueue(self, process, self.broker)
        return Worker(application=process.application, slots=16, poll=self.rhythm.poll, queue=queue)

    def _watched(self, process: Process, kind: JobKind, handler: Handler) -> Handler:
        """Write down which job runs, and which order or key a message is about."""

        async def run(job: Job) -> None:
            token = self.told_now.set(job.subject if kind in _TOLD else None)
            self.history.call(f"job {kind}", f"{job.subject} {job.detail}")
            try:
                with self.running.claim(process, job):
                    await handler(job)
            finally:
                self.told_now.reset(token)

        return run


def _lists(random: Random) -> bool:
    """Say whether the cores of a run list their users, as Xray does and V2Ray does not; nothing is drawn for it."""
    aside = Random()
    aside.setstate(random.getstate())
    return aside.random() < 0.5
