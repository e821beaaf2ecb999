"""Fulfilment: from a paid order to keys that are on their way."""

from dataclasses import dataclass

from veilbot_core.domain.errors import Conflict
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import GrantId, OrderId, SubscriptionId, derive
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.order import Hold, Order, OrderStatus
from veilbot_core.domain.payment import given_back
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.secret import digest
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription, fold
from veilbot_core.places import Places
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import about, complete, hold, refold, reserve

_SWEPT = 500
"""Orders, and keys, that one pass asks for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fulfilment:
    """A paid order becomes a grant and reserved keys in one commit; the servers are called afterwards."""

    storage: Storage
    secrets: Secrets
    clock: Clock
    ids: Ids
    policy: Policy
    failpoints: Failpoints

    async def fulfil(self, job: Job) -> None:
        """Apply an order's grant once and reserve its keys.

        Raises:
            NoCapacity: no suitable place is free; nothing was written, the order waits.
        """
        await self.failpoints.reach(Point.ORDER_CLAIMED)
        token = self.ids.secret()

        def work(uow: UnitOfWork) -> None:
            order = uow.orders.lock(OrderId(job.subject))
            if order.status is OrderStatus.PAID:
                self._deliver(uow, order, token)
            uow.jobs.finish(job)

        await self.storage.write(work)
        await self.failpoints.reach(Point.APPLIED)

    async def restore(self, job: Job) -> None:
        """Bring back the keys of a subscription that was frozen, or whose terms were taken back, if time left any.

        Raises:
            NoCapacity: no suitable place is free; nothing was written, the keys wait.
        """

        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            subscription = uow.subscriptions.lock(SubscriptionId(job.subject))
            if subscription.wants_keys(now, self.policy.grace):
                reserve(uow, subscription, now, places=Places.look(uow, paid=True))
            uow.jobs.finish(job)

        await self.storage.write(work)

    async def sweep(self, _: Job) -> None:
        """Ask again for whatever should be under way and is not: paid orders and unsettled keys."""

        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            before = now - self.policy.lease
            for order_id in uow.orders.stuck(before, _SWEPT):
                uow.jobs.ensure(Job.ask(JobKind.FULFIL_ORDER, order_id, now))
            for key_id in uow.keys.unsettled(_SWEPT, before):
                uow.jobs.ensure(Job.ask(JobKind.APPLY_KEY, key_id, now))

        await self.storage.write(work)

    async def retry(self, order_id: OrderId) -> Order:
        """Drive a paid order again, now; a held one that a person approves becomes paid first.

        Raises:
            Conflict: the order is neither paid nor held with money that was accepted by hand.
        """

        def work(uow: UnitOfWork) -> Order:
            now = self.clock.now()
            order = uow.orders.lock(order_id)
            if order.status is OrderStatus.HELD:
                order = order.pay(now)
                uow.orders.save(order)
                uow.publish(about(self.ids, EventType.ORDER_PAID, order, now))
            elif order.status is not OrderStatus.PAID:
                raise Conflict(f"an order that is {order.status} has nothing to retry")
            uow.jobs.ask(Job.ask(JobKind.FULFIL_ORDER, order.id, now))
            if order.subscription_id is not None:
                keys = uow.keys.of_subscriptions([order.subscription_id])
                uow.jobs.ask(*(Job.ask(JobKind.APPLY_KEY, key.id, now) for key in keys if not key.settled))
            return order

        return await self.storage.write(work)

    def _deliver(self, uow: UnitOfWork, order: Order, token: str) -> None:
        now = self.clock.now()
        wanted = order.subscription_id or SubscriptionId(derive("subscription", order.id))
        known = uow.subscriptions.find(wanted)
        subscription = known or self._first(uow, order, wanted, token)
        order = order.serve(subscription.id)
        if subscription.frozen_at is not None:
            hold(uow, self.ids, order, Hold.DISPUTE, "the subscription is frozen by a dispute", now)
            return
        if known is None or uow.subscriptions.add_grant(self._grant(uow, order, subscription.id)):
            if known is not None:
                subscription = refold(uow, known.renew(order.tariff_id, order.terms), now, self.policy.grace)
            uow.publish(about(self.ids, EventType.SUBSCRIPTION_EXTENDED, subscription, now, order_id=str(order.id)))
        if not subscription.wants_keys(now, self.policy.grace):
            hold(uow, self.ids, order, Hold.ENDED, "it ended before its key could be delivered", now)
            return
        keys = reserve(uow, subscription, now, order_id=order.id, known=() if known is None else None)
        complete(uow, self.ids, order, keys, now)

    def _grant(self, uow: UnitOfWork, order: Order, subscription_id: SubscriptionId) -> Grant:
        """Make the order's grant, less what was sent back while it waited."""
        grant = Grant(
            id=GrantId(derive("grant", order.id)),
            subscription_id=subscription_id,
            source=GrantSource.ORDER,
            source_id=str(order.id),
            days=order.terms.days,
            at=self.clock.now(),
        )
        back, paid = given_back(uow.payments.of_order(order.id), order.price)
        return grant.shrink(back, paid) if back else grant

    def _first(self, uow: UnitOfWork, order: Order, subscription_id: SubscriptionId, token: str) -> Subscription:
        """Make the subscription of a first order, with its grant."""
        now, grace = self.clock.now(), self.policy.grace
        grant = self._grant(uow, order, subscription_id)
        subscription = Subscription(
            id=subscription_id,
            user_id=order.user_id,
            tariff_id=order.tariff_id,
            terms=order.terms,
            country=order.country,
            token=self.secrets.seal(token, subscription_id),
            token_digest=digest(token),
            ends_at=now,
            vip=uow.users.get(order.user_id).vip,
            check_at=None,
            created_at=now,
        ).until(fold([grant]) or now, now, grace)
        uow.subscriptions.add(subscription)
        uow.subscriptions.add_grant(grant)
        uow.publish(about(self.ids, EventType.SUBSCRIPTION_CREATED, subscription, now, order_id=str(order.id)))
        return subscription
