"""Notices: telling customers and operators what happened, truthfully and at least once."""

from collections.abc import Callable
from dataclasses import dataclass

from veilbot_core.domain.ids import OrderId, SubscriptionId, derive
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.subscription import Reminder, Subscription
from veilbot_core.domain.user import User
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.notifier import Delivery, Message, Notice, Notifier
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Messages are jobs: told after the commit that made them true, again if nobody saw that they were told."""

    storage: Storage
    notifier: Notifier
    secrets: Secrets
    clock: Clock
    policy: Policy
    failpoints: Failpoints

    async def tell(self, job: Job) -> None:
        """Tell a customer what the job says, if it is still true."""
        found = await self.storage.read(lambda uow: _MAKERS[job.kind](self, uow, job))
        outcome = None
        if found is not None:
            user, message = found
            if user.telegram_id is not None:
                outcome = await self.notifier.tell(user, message)
            await self.failpoints.reach(Point.TOLD)

        def work(uow: UnitOfWork) -> None:
            if outcome is Delivery.UNREACHABLE and found is not None:
                uow.users.save(uow.users.lock(found[0].id).lost(self.clock.now()))
            uow.jobs.finish(job)

        await self.storage.write(work)
        await self.failpoints.reach(Point.RECORDED)

    async def alert(self, job: Job) -> None:
        """Tell the operators that something needs a person; the job's detail is the fact's type."""
        await self.notifier.alert(job.detail, job.subject, "")
        await self.storage.write(lambda uow: uow.jobs.finish(job))

    def _paid(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        order = uow.orders.get(OrderId(job.subject))
        if order.status is not OrderStatus.PAID:  # the key came first
            return None
        return self._plain(uow, order, Notice.PAID)

    def _ready(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        order = uow.orders.get(OrderId(job.subject))
        if order.status is not OrderStatus.FULFILLED or order.subscription_id is None:
            return None
        subscription = uow.subscriptions.get(order.subscription_id)
        first = subscription.id == derive("subscription", order.id)  # else it extended one that was there
        user = uow.users.get(order.user_id)
        keys = [k for k in uow.keys.of_subscriptions([subscription.id]) if k.desired.present]
        countries = {server.id: server.country for server in uow.servers.all()}
        return user, Message(
            notice=Notice.READY if first else Notice.RENEWED,
            language=user.language,
            tariff=order.terms.name,
            ends_at=None if subscription.vip else subscription.ends_at,
            link=self._link(subscription),
            keys=opened(self.secrets, keys, countries),
            subscription_id=subscription.id,
        )

    def _held(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        order = uow.orders.get(OrderId(job.subject))
        return self._plain(uow, order, Notice.HELD) if order.status is OrderStatus.HELD else None

    def _refunded(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        return self._plain(uow, uow.orders.get(OrderId(job.subject)), Notice.REFUNDED)

    def _reminder(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        subscription = uow.subscriptions.get(SubscriptionId(job.subject))
        stage, _, end = job.detail.partition("@")
        if end != str(int(subscription.ends_at.timestamp())) or stage != subscription.reminder(self.clock.now()):
            return None  # renewed, frozen, or told too late to be true
        user = uow.users.get(subscription.user_id)
        return user, Message(
            notice=Notice.ENDED if stage == Reminder.ENDED else Notice.EXPIRING,
            language=user.language,
            tariff=subscription.terms.name,
            ends_at=subscription.ends_at,
            subscription_id=subscription.id,
            reminder=stage,
        )

    def _plain(self, uow: UnitOfWork, order: Order, notice: Notice) -> tuple[User, Message]:
        user = uow.users.get(order.user_id)
        return user, Message(notice=notice, language=user.language, tariff=order.terms.name)

    def _link(self, subscription: Subscription) -> str:
        return f"{self.policy.public_url}/s/{self.secrets.open(subscription.token, subscription.id)}"


_Maker = Callable[[Notices, UnitOfWork, Job], tuple[User, Message] | None]
_MAKERS: dict[JobKind, _Maker] = {
    JobKind.TELL_PAID: Notices._paid,  # noqa: SLF001 - the table is part of the class
    JobKind.TELL_READY: Notices._ready,  # noqa: SLF001
    JobKind.TELL_HELD: Notices._held,  # noqa: SLF001
    JobKind.TELL_REFUNDED: Notices._refunded,  # noqa: SLF001
    JobKind.TELL_REMINDER: Notices._reminder,  # noqa: SLF001
}
