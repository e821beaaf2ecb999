"""Notices: telling customers and operators what happened, truthfully and at least once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from veilbot_core import concerns
from veilbot_core.cached import Cached, customer
from veilbot_core.domain.ids import JobId, KeyId, OrderId, PaymentId, SubscriptionId, derive
from veilbot_core.domain.jobs import Job, JobKind, JobState
from veilbot_core.domain.key import Key, serving
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, given_back
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.subscription import Reminder, Subscription
from veilbot_core.domain.user import User
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.notifier import NOBODY, About, Access, Alert, Delivery, Message, Notice, Notifier
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import opened


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadJob:
    """Work that waits for a person, and whom it is about."""

    job: Job
    about: About = NOBODY

    @property
    def id(self) -> JobId:
        """The job's."""
        return self.job.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Messages are jobs: told after the commit that made them true, again if nobody saw that they were told."""

    storage: Storage
    cached: Cached
    notifier: Notifier
    secrets: Secrets
    clock: Clock
    policy: Policy
    failpoints: Failpoints

    async def tell(self, job: Job) -> None:
        """Tell a customer what the job says, if it is still true."""
        found = await self.storage.read(lambda uow: _MAKERS[job.kind](self, uow, job))
        lost = []
        if found is not None:
            user, message = found
            if user.telegram_id is not None and await self.notifier.tell(user, message) is Delivery.UNREACHABLE:
                lost = [user.id]
            await self.failpoints.reach(Point.TOLD)

        def work(uow: UnitOfWork) -> None:
            for user_id in lost:
                uow.users.save(uow.users.lock(user_id).lost(self.clock.now()))
            uow.jobs.finish(job)

        await self.cached.write(work, *map(customer, lost))
        await self.failpoints.reach(Point.RECORDED)

    async def alert(self, job: Job) -> None:
        """Tell the operators that something needs a person; the job's detail is the fact's type."""
        await self.notifier.alert(await self.storage.read(lambda uow: _alert(uow, job)))
        await self.storage.write(lambda uow: uow.jobs.finish(job))

    async def dead(self, *, limit: int, after: JobId | None = None) -> Sequence[DeadJob]:
        """Return jobs that wait for a person, by id."""

        def look(uow: UnitOfWork) -> Sequence[DeadJob]:
            found = uow.jobs.dead(limit=limit, after=after)
            return [DeadJob(job=job, about=concerns.about_job(uow, job)) for job in found]

        return await self.storage.read(look)

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
        keys = serving(uow.keys.of_subscriptions([subscription.id]))
        return user, Message(
            notice=Notice.READY if first else Notice.RENEWED,
            language=user.language,
            tariff=order.terms.name,
            ends_at=None if subscription.vip else subscription.ends_at,
            link=self._link(subscription),
            keys=self._opened(uow, keys),
            subscription_id=subscription.id,
            order_id=order.id,
        )

    def _held(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        order = uow.orders.get(OrderId(job.subject))
        return self._plain(uow, order, Notice.HELD) if order.status is OrderStatus.HELD else None

    def _refunded(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        order = uow.orders.get(OrderId(job.subject))
        back, paid = given_back(uow.payments.of_order(order.id), order.price)
        return self._plain(uow, order, Notice.REFUNDED) if back >= paid else None  # else it failed meanwhile

    def _extra(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        payment = uow.payments.get(PaymentId(job.subject))
        return self._about_money(uow, payment, Notice.EXTRA) if payment.kind is PaymentKind.CHARGE else None

    def _refund_failed(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        """Say that the money is late, unless nobody ever counted on it."""
        payment = uow.payments.get(PaymentId(job.subject))
        booked = uow.payments.find(payment.provider, PaymentKind.REFUND, payment.external_id)
        return self._about_money(uow, payment, Notice.REFUND_FAILED) if booked is not None else None

    def _about_money(self, uow: UnitOfWork, payment: Payment, notice: Notice) -> tuple[User, Message] | None:
        if payment.order_id is None:  # nobody knows whose it is
            return None
        user, message = self._plain(uow, uow.orders.get(payment.order_id), notice)
        return user, replace(message, money=payment.money)

    def _moved(self, uow: UnitOfWork, job: Job) -> tuple[User, Message] | None:
        key = uow.keys.get(KeyId(job.subject))
        if not key.desired.present and serving(uow.keys.of_subscriptions([key.subscription_id])):
            return None  # it moved on, which is told in its turn, or went with its money; without others it may be back
        subscription, user = uow.subscriptions.get(key.subscription_id), uow.users.get(key.user_id)
        return user, Message(
            notice=Notice.MOVED,
            language=user.language,
            tariff=subscription.terms.name,
            link=self._link(subscription),
            keys=self._opened(uow, [key]),
            subscription_id=subscription.id,
        )

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
        return user, Message(notice=notice, language=user.language, tariff=order.terms.name, order_id=order.id)

    def _opened(self, uow: UnitOfWork, keys: Sequence[Key]) -> tuple[Access, ...]:
        return opened(self.secrets, keys, {of: uow.servers.get(of).country for of in {k.server_id for k in keys}})

    def _link(self, subscription: Subscription) -> str:
        return f"{self.policy.public_url}/s/{self.secrets.open(subscription.token, subscription.id)}"


def _alert(uow: UnitOfWork, job: Job) -> Alert:
    """Return what operators are told; of a job that is dead or hangs, which one it is and why."""
    code, _, which = job.detail.partition("@")
    found = uow.jobs.find(JobId(UUID(which))) if which else None
    if found is not None and (found.state is JobState.DEAD) == (code == "job.dead"):  # it is as it was then
        about = concerns.about_job(uow, found)
        return Alert(code=code, subject=job.subject, about=about, job_id=found.id, work=found.kind)
    failing = code.removesuffix(".failing")
    work = failing if failing != code else ""
    return Alert(code=code, subject=job.subject, about=concerns.about(uow, job.subject), work=work)


_Maker = Callable[[Notices, UnitOfWork, Job], tuple[User, Message] | None]
_MAKERS: dict[JobKind, _Maker] = {
    JobKind.TELL_PAID: Notices._paid,  # noqa: SLF001 - the table is part of the class
    JobKind.TELL_READY: Notices._ready,  # noqa: SLF001
    JobKind.TELL_HELD: Notices._held,  # noqa: SLF001
    JobKind.TELL_REFUNDED: Notices._refunded,  # noqa: SLF001
    JobKind.TELL_MOVED: Notices._moved,  # noqa: SLF001
    JobKind.TELL_EXTRA: Notices._extra,  # noqa: SLF001
    JobKind.TELL_REFUND_FAILED: Notices._refund_failed,  # noqa: SLF001
    JobKind.TELL_REMINDER: Notices._reminder,  # noqa: SLF001
}
