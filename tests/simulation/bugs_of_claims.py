"""Planted bugs: refunds and disputes that go wrong."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tests.simulation.bugs import Bug, gateway, instead, repository

from veilbot_adapters.memory.orders import MemoryPayments
from veilbot_core.books import Books
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId, SubscriptionId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Payment, PaymentEvent, PaymentKind, Receipt, under_dispute
from veilbot_core.domain.subscription import GrantSource, fold
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.steps import about
from veilbot_runners.simulation.ports import SimGateway


class RefundPerAttempt(SimGateway):
    async def refund(self, order: Order, charge_id: str, money: Money, *, attempt: str) -> PaymentEvent:
        fresh = f"{attempt} at {self._world.clock.monotonic()}"
        return await super().refund(order, charge_id, money, attempt=fresh)


class RefundKeepsDays(Books):
    def _shrink(self, uow: UnitOfWork, order: Order, refunded: int, paid: int, now: datetime) -> None:
        """Leave the grant as it is."""


class RefundLeavesGrace(Books):
    """As it was once: what a refund ended stayed on for the grace."""

    def _shrink(self, uow: UnitOfWork, order: Order, refunded: int, paid: int, now: datetime) -> None:
        grant = uow.subscriptions.grant_for(GrantSource.ORDER, str(order.id))
        if grant is not None:
            uow.subscriptions.save_grant(grant.shrink(refunded, paid))
            subscription = uow.subscriptions.lock(grant.subscription_id)
            end = fold(uow.subscriptions.grants(subscription.id)) or now
            uow.subscriptions.save(replace(subscription.until(end, now, self.policy.grace), cut_off=False))


class DisputeIgnored(Books):
    def _freeze(self, uow: UnitOfWork, subscription_id: SubscriptionId, now: datetime) -> None:
        """Leave the keys where they are."""


class DisputeForgotten(Books):
    """As it was before the simulator: a dispute that overtook its charge was not thought of again."""

    def _settle(self, uow: UnitOfWork, order: Order, now: datetime) -> None:
        uow.orders.save(order)
        uow.publish(about(self.ids, EventType.ORDER_PAID, order, now))


class HeldForGood(Books):
    """As it was once: what was paid and held for a dispute waited for a person after that was won."""

    def _go_on(self, uow: UnitOfWork, order: Order, now: datetime) -> None:
        """Leave the order as it is."""


class WonForEver(Books):
    """As it was once: a dispute that was won could not be lost any more."""

    def _disputed(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        won = uow.payments.find(event.provider, PaymentKind.REVERSAL, event.external_id)
        return Receipt.DUPLICATE if won else super()._disputed(uow, event, now)


class Astray(MemoryPayments):
    """As it was once: what was booked before its charge, and named no order, belonged to none for ever."""

    def of_order(self, order_id: OrderId) -> Sequence[Payment]:
        return [payment for payment in super().of_order(order_id) if payment.order_id is not None]


class LastDisputeDecides(Books):
    """As it was before the simulator: only the order whose dispute was heard of was looked at."""

    def _disputed(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        receipt = super()._disputed(uow, event, now)
        order = self._order_of(uow, event)
        if order is not None and order.subscription_id is not None:
            subscription = uow.subscriptions.lock(order.subscription_id)
            claimed = under_dispute(uow.payments.of_order(order.id))
            uow.subscriptions.save(subscription.freeze(now) if claimed else subscription.thaw())
        return receipt


BUGS = (
    Bug(
        name="a refund is made anew on each attempt",
        first=16,
        guard="the refund's key is derived from the order",
        breaks="refunds_take_back_what_they_paid_for",
        faults="providers",
        plant=gateway(RefundPerAttempt),
    ),
    Bug(
        name="a refunded order keeps its days",
        first=5,
        guard="a refund shrinks the grant it paid for",
        breaks="refunds_take_back_what_they_paid_for",
        faults="none",
        plant=instead("books", RefundKeepsDays),
    ),
    Bug(
        name="what was paid back goes on for the grace",
        first=7,
        guard="time that a refund took back has no grace",
        breaks="refunded_access_is_over",
        faults="none",
        plant=instead("books", RefundLeavesGrace),
    ),
    Bug(
        name="a dispute changes nothing",
        first=2,
        guard="a dispute freezes what the money bought",
        breaks="disputed_access_is_frozen",
        faults="none",
        plant=instead("books", DisputeIgnored),
    ),
    Bug(
        name="a dispute that overtakes its charge is forgotten",
        first=113,
        guard="a charge is compared with the disputes that are booked",
        breaks="disputed_access_is_frozen",
        faults="providers",
        plant=instead("books", DisputeForgotten),
    ),
    Bug(
        name="a refund that overtakes its charge is forgotten",
        first=272,
        guard="movements belong to the order of their charge",
        breaks="refunds_take_back_what_they_paid_for",
        faults="providers",
        plant=repository("payments", Astray),
    ),
    Bug(
        name="an order stays held when its dispute is won",
        first=31,
        guard="what a dispute held goes on when it is over",
        breaks="won_disputes_hold_nothing",
        faults="providers",
        plant=instead("books", HeldForGood),
    ),
    Bug(
        name="a dispute that was won cannot be lost",
        first=12,
        guard="of a dispute what happened last decides",
        breaks="disputed_access_is_frozen",
        faults="none",
        plant=instead("books", WonForEver),
    ),
    Bug(
        name="the last dispute decides for all of them",
        first=165,
        guard="a subscription thaws when no dispute about its orders is left",
        breaks="disputed_access_is_frozen",
        faults="providers",
        plant=instead("books", LastDisputeDecides),
        orders=6,
    ),
)
