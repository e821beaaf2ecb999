"""Evidence: what the database, the servers and the provider say when a run is judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from veilbot_core.domain.ids import KeyId, OrderId, SubscriptionId
from veilbot_core.domain.jobs import Job, JobState
from veilbot_core.domain.key import Key
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Payment, PaymentKind
from veilbot_core.domain.server import Server
from veilbot_core.domain.subscription import Grant, Subscription
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.simulation.world import World

_ALL = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One moment, seen whole."""

    world: World
    now: datetime
    orders: Mapping[OrderId, Order]
    payments: Sequence[Payment]
    subscriptions: Mapping[SubscriptionId, Subscription]
    grants: Sequence[Grant]
    keys: Mapping[KeyId, Key]
    servers: Sequence[Server]
    jobs: Sequence[Job]
    waiting: int
    """Facts that no bus confirmed."""

    @classmethod
    async def gather(cls, world: World) -> "Evidence":
        """Look at everything at once."""

        def look(uow: UnitOfWork) -> Evidence:
            subscriptions = uow.subscriptions.page(limit=_ALL)
            return cls(
                world=world,
                now=world.clock.now(),
                orders={order.id: order for order in uow.orders.page(limit=_ALL)},
                payments=uow.payments.page(limit=_ALL),
                subscriptions={subscription.id: subscription for subscription in subscriptions},
                grants=[grant for one in subscriptions for grant in uow.subscriptions.grants(one.id)],
                keys={key.id: key for key in uow.keys.page(limit=_ALL)},
                servers=uow.servers.all(),
                jobs=world.storage.jobs(),
                waiting=len(uow.outbox.waiting(_ALL)),
            )

        return await world.storage.read(look)

    def remote(self, server: Server) -> set[str]:
        """Return the names of the keys that a server really has."""
        return set(self.world.vpn_of(server).servers[server.id].keys)

    def charges(self, order_id: OrderId) -> list[Payment]:
        """Return the booked charges of an order."""
        return [p for p in self.payments if p.order_id == order_id and p.kind is PaymentKind.CHARGE]

    def alerted(self, code: str, subject: object) -> bool:
        """Say whether operators were told."""
        return any(alert.code == code and alert.subject == subject for alert in self.world.notifier.alerts)

    def wants_keys(self, subscription: Subscription) -> bool:
        """Say whether a subscription's keys must be on the servers, worked out here from its end alone.

        In the grace they need not if a refund shortened it: when it was booked decides, and that nobody knows here.
        """
        shrunk = any(grant.taken_back for grant in self.grants if grant.subscription_id == subscription.id)
        grace = timedelta() if shrunk else self.world.policy.grace
        live = subscription.vip or self.now < subscription.ends_at + grace
        return live and subscription.frozen_at is None

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way any more."""
        busy = [job for job in self.jobs if job.state is JobState.READY]
        return not busy and not self.waiting and not self.world.underway
