"""Concerns: what a piece of trouble is about, in words that an operator knows."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.ids import KeyId, OrderId, PaymentId, ServerId, SubscriptionId, UserId
from veilbot_core.domain.jobs import Job
from veilbot_core.ports.notifier import About
from veilbot_core.ports.storage import UnitOfWork


def about(uow: UnitOfWork, subject: UUID) -> About:
    """Return what an id is about, whatever noun it belongs to; nothing for one that is not there any more."""
    for look in _NOUNS:
        try:
            return look(uow, subject)
        except NotFound:
            continue
    return About()


def about_job(uow: UnitOfWork, job: Job) -> About:
    """Return what a job is about, why it failed last and since when it has been waiting."""
    return replace(about(uow, job.subject), reason=job.error, since=job.created_at)


def _order(uow: UnitOfWork, subject: UUID) -> About:
    order = uow.orders.get(OrderId(subject))
    return About(
        order_id=order.id,
        tariff=order.terms.name,
        money=order.price,
        customer=_customer(uow, order.user_id),
        reason=order.note,
        since=order.paid_at or order.created_at,
    )


def _payment(uow: UnitOfWork, subject: UUID) -> About:
    payment = uow.payments.get(PaymentId(subject))
    known = About() if payment.order_id is None else about(uow, payment.order_id)
    return replace(known, payment=payment.external_id, money=payment.money, reason=payment.note, since=payment.at)


def _key(uow: UnitOfWork, subject: UUID) -> About:
    key = uow.keys.get(KeyId(subject))
    return replace(_subscription(uow, key.subscription_id), server=key.name, reason=key.note, since=key.changed_at)


def _subscription(uow: UnitOfWork, subject: UUID) -> About:
    subscription = uow.subscriptions.get(SubscriptionId(subject))
    return About(
        tariff=subscription.terms.name,
        customer=_customer(uow, subscription.user_id),
        since=subscription.frozen_at,
    )


def _server(uow: UnitOfWork, subject: UUID) -> About:
    server = uow.servers.get(ServerId(subject))
    return About(server=server.name, since=server.down_since)


def _customer(uow: UnitOfWork, user_id: UserId) -> str:
    user = uow.users.get(user_id)
    return user.name if user.telegram_id is None else f"{user.name} (Telegram {user.telegram_id})"


_NOUNS: tuple[Callable[[UnitOfWork, UUID], About], ...] = (_order, _payment, _key, _subscription, _server)
