"""Books: how a provider's statement becomes payments, orders and facts, inside one unit of work."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from veilbot_core.domain.events import Event, EventType
from veilbot_core.domain.ids import EventId, OrderId, PaymentId, SubscriptionId
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.key import ABSENT
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Hold, Order, OrderStatus
from veilbot_core.domain.payment import (
    Happening,
    Payment,
    PaymentEvent,
    PaymentKind,
    PaymentStatus,
    Receipt,
    fits,
    given_back,
    under_dispute,
)
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.subscription import GrantSource, Subscription
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.steps import about, hold, keys_of, refold, under_what_is_left, want

_ENDS = {Happening.DISPUTE_WON: PaymentKind.REVERSAL, Happening.DISPUTE_LOST: PaymentKind.DISPUTE_LOST}


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Books events; amount and currency are compared with the order, nothing else decides what is granted."""

    ids: Ids
    policy: Policy

    def enter(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        """Book one authentic event, in this transaction; the same event again changes nothing."""
        if event.happening is Happening.PROCESSING:
            return Receipt.IGNORED
        if not uow.payments.first_sight(event.provider, event.event_id, now):
            return Receipt.DUPLICATE
        if charge_id := event.external_id if event.happening is Happening.CHARGED else event.charge_id:
            uow.payments.lock_charge(event.provider, charge_id)
        match event.happening:
            case Happening.CHARGED:
                return self._charged(uow, event, now)
            case Happening.REFUNDED:
                return self._refunded(uow, event, now)
            case Happening.REFUND_FAILED:
                return self._refund_failed(uow, event, now)
            case Happening.DISPUTED | Happening.DISPUTE_WON | Happening.DISPUTE_LOST:
                return self._disputed(uow, event, now)
            case Happening.INQUIRY:
                return self._asked_about(uow, event, now)
            case Happening.FAILED | Happening.EXPIRED:
                return self._not_paid(uow, event, now)

    def _charged(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order = self._order_of(uow, event)
        trouble = _mismatch(order, event)
        status = PaymentStatus.HELD if trouble else PaymentStatus.ACCEPTED
        payment = self._record(uow, event, PaymentKind.CHARGE, order, status, trouble)
        if payment is None:
            return Receipt.DUPLICATE
        if order is None or trouble:
            self._hold(uow, payment, order, trouble, now)
            return Receipt.HELD
        uow.publish(self._fact(EventType.PAYMENT_SUCCEEDED, payment, now))
        self._settle(uow, order.pay(now), now)
        return Receipt.ACCEPTED

    def _settle(self, uow: UnitOfWork, order: Order, now: datetime) -> None:
        """Save a paid order, unless its refund or a dispute was heard of before its charge."""
        movements = uow.payments.of_order(order.id)
        back, paid = given_back(movements, order.price)
        gone = back >= paid
        if under_dispute(movements) and not gone:
            hold(uow, self.ids, order, Hold.DISPUTE, "its payment is disputed", now)
            return
        uow.orders.save(order.refund(now) if gone else order)
        uow.publish(about(self.ids, EventType.ORDER_REFUNDED if gone else EventType.ORDER_PAID, order, now))

    def _hold(self, uow: UnitOfWork, payment: Payment, order: Order | None, trouble: str, now: datetime) -> None:
        if order is not None and order.payable:
            movements = uow.payments.of_order(order.id)
            back, paid = given_back(movements, order.price)
            if not back or back < paid:
                note = f"{trouble}, and a bank claims it back" if under_dispute(movements) else trouble
                hold(uow, self.ids, order, Hold.MONEY, note, now)
            else:  # its refund was heard of first
                self._close(uow, order.hold(Hold.MONEY, trouble).refund(now), now)
        else:
            uow.publish(self._fact(EventType.PAYMENT_HELD, payment, now, reason=trouble))
            self._heed_claims(uow, order, now)

    def _refunded(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order, charge = self._order_of(uow, event), self._charge_of(uow, event)
        trouble = "" if order else "no such charge"
        if charge and event.money and not fits(charge, event.money):
            trouble = f"{event.money} went back of a charge of {charge.money}"
        status = PaymentStatus.HELD if trouble else PaymentStatus.ACCEPTED
        payment = self._record(uow, event, PaymentKind.REFUND, order, status, trouble)
        if payment is None:
            return Receipt.DUPLICATE
        if order is None or trouble:
            uow.publish(self._fact(EventType.PAYMENT_HELD, payment, now, reason=trouble))
            return Receipt.HELD
        uow.publish(self._fact(EventType.PAYMENT_REFUNDED, payment, now))
        back, paid = given_back(uow.payments.of_order(order.id), order.price)
        self._shrink(uow, order, back, paid, now)
        if back >= paid and order.status in {OrderStatus.PAID, OrderStatus.FULFILLED, OrderStatus.HELD}:
            self._close(uow, order.refund(now), now)
        elif back >= paid and order.note:  # an earlier try had failed
            uow.orders.save(order.remark(""))
        return Receipt.ACCEPTED

    def _close(self, uow: UnitOfWork, refunded: Order, now: datetime) -> None:
        uow.orders.save(refunded)
        uow.publish(about(self.ids, EventType.ORDER_REFUNDED, refunded, now))

    def _refund_failed(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        """Book that a refund did not arrive; the days stay taken back, because the money is still owed."""
        order = self._order_of(uow, event)
        payment = self._record(uow, event, PaymentKind.REFUND_FAILED, order, PaymentStatus.ACCEPTED, "")
        if payment is None:
            return Receipt.DUPLICATE
        uow.publish(self._fact(EventType.PAYMENT_REFUND_FAILED, payment, now))
        if order is not None:
            uow.orders.save(order.remark(f"a refund of {payment.money} failed: the money is with us, send it again"))
        return Receipt.ACCEPTED

    def _shrink(self, uow: UnitOfWork, order: Order, refunded: int, paid: int, now: datetime) -> None:
        grant = uow.subscriptions.grant_for(GrantSource.ORDER, str(order.id))
        if grant is None or not refunded:
            return
        uow.subscriptions.save_grant(grant.shrink(refunded, paid))
        known = uow.subscriptions.lock(grant.subscription_id)
        subscription = refold(uow, under_what_is_left(uow, known), now, self.policy.grace)
        if subscription.terms != known.terms and subscription.wants_keys(now, self.policy.grace):
            uow.jobs.ask(Job.ask(JobKind.RESTORE_KEYS, subscription.id, now))
        uow.publish(about(self.ids, EventType.SUBSCRIPTION_SHRUNK, subscription, now))
        if subscription.cut_off and not known.cut_off:
            uow.publish(about(self.ids, EventType.SUBSCRIPTION_EXPIRED, subscription, now))
        if subscription.frozen_at is not None:  # what is still claimed may be what went back
            self._freeze(uow, subscription.id, now)

    def _disputed(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        """Freeze what a disputed payment bought, until every dispute about it is won."""
        order = self._order_of(uow, event)
        if event.doubt:
            uow.jobs.ask(Job.ask(JobKind.ALERT, EVERYTHING, now, detail="settle.trouble"))
        if not self._claimed(uow, event, order, now):
            return Receipt.DUPLICATE
        if order is not None and not under_dispute(uow.payments.of_order(order.id)):
            self._go_on(uow, order, now)
        self._heed_claims(uow, order, now)
        return Receipt.ACCEPTED

    def _heed_claims(self, uow: UnitOfWork, order: Order | None, now: datetime) -> None:
        """Stop an order that is not delivered and freeze what one gave while a bank claims its money."""
        if order is None:
            return
        if order.status is OrderStatus.PAID and under_dispute(uow.payments.of_order(order.id)):
            hold(uow, self.ids, order, Hold.DISPUTE, "its payment is disputed", now)
        grant = uow.subscriptions.grant_for(GrantSource.ORDER, str(order.id))
        if grant is not None:
            self._freeze(uow, grant.subscription_id, now)

    def _asked_about(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        """Tell the operators that a bank asks; nothing moved, so nothing is booked and nothing stops."""
        order = self._order_of(uow, event)
        uow.jobs.ask(Job.ask(JobKind.ALERT, order.id if order else EVERYTHING, now, detail="payment.inquiry"))
        return Receipt.ACCEPTED

    def _claimed(self, uow: UnitOfWork, event: PaymentEvent, order: Order | None, now: datetime) -> bool:
        """Book what is said of a dispute; False if it was said before. Operators hear whenever money is claimed."""
        claim = end = None
        if event.happening is not Happening.DISPUTE_WON:
            claim = self._record(uow, event, PaymentKind.DISPUTE, order, PaymentStatus.ACCEPTED, "")
        if kind := _ENDS.get(event.happening):
            end = self._record(uow, event, kind, order, PaymentStatus.ACCEPTED, "")
        if end is not None and end.kind is PaymentKind.DISPUTE_LOST and claim is None:
            won = uow.payments.find(event.provider, PaymentKind.REVERSAL, event.external_id)
            claim = end if won else None
        if claim is not None:
            uow.publish(self._fact(EventType.PAYMENT_DISPUTED, claim, now))
        return claim is not None or end is not None

    def _go_on(self, uow: UnitOfWork, order: Order, now: datetime) -> None:
        """Fulfil an order after all that a dispute held, which is over."""
        if order.held_for is Hold.DISPUTE:
            uow.orders.save(order.pay(now))
            uow.publish(about(self.ids, EventType.ORDER_PAID, order, now))

    def _freeze(self, uow: UnitOfWork, subscription_id: SubscriptionId, now: datetime) -> None:
        """Freeze or thaw a subscription, as the disputes about all that gave it days which it still has ask for."""
        subscription = uow.subscriptions.lock(subscription_id)
        grants = uow.subscriptions.grants(subscription.id)
        orders = [OrderId(UUID(g.source_id)) for g in grants if g.source is GrantSource.ORDER and g.left]
        frozen = any(under_dispute(uow.payments.of_order(order_id)) for order_id in orders)
        if frozen == (subscription.frozen_at is not None):
            return
        if frozen:
            subscription = subscription.freeze(now)
            want(uow, keys_of(uow, [subscription]), ABSENT, now)
        else:
            subscription = subscription.thaw()
            uow.jobs.ask(Job.ask(JobKind.RESTORE_KEYS, subscription.id, now))
            self._thaw_orders(uow, subscription, now)
        uow.subscriptions.save(subscription)
        kind = EventType.SUBSCRIPTION_FROZEN if frozen else EventType.SUBSCRIPTION_THAWED
        uow.publish(about(self.ids, kind, subscription, now))

    def _thaw_orders(self, uow: UnitOfWork, subscription: Subscription, now: datetime) -> None:
        """Go on with the renewals that came while it was frozen, unless they are disputed themselves."""
        for one in uow.orders.page(limit=100, user_id=subscription.user_id, status=OrderStatus.HELD):
            if one.subscription_id == subscription.id:
                held = uow.orders.lock(one.id)  # first: who books a claim about it has this lock
                if not under_dispute(uow.payments.of_order(held.id)):
                    self._go_on(uow, held, now)

    def _not_paid(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order = self._order_of(uow, event)
        if order is None or order.status is not OrderStatus.PENDING:
            return Receipt.IGNORED
        if event.happening is Happening.EXPIRED:
            order = order.cancel(now)
            uow.orders.save(order)
            uow.publish(about(self.ids, EventType.ORDER_CANCELED, order, now))
        else:
            uow.publish(about(self.ids, EventType.PAYMENT_FAILED, order, now))
        return Receipt.ACCEPTED

    def _order_of(self, uow: UnitOfWork, event: PaymentEvent) -> Order | None:
        charge = self._charge_of(uow, event)
        order_id = charge.order_id if charge else event.order_id
        return uow.orders.find(order_id) if order_id else None

    @staticmethod
    def _charge_of(uow: UnitOfWork, event: PaymentEvent) -> Payment | None:
        """Return the charge that an event is about, if it is booked."""
        return uow.payments.find(event.provider, PaymentKind.CHARGE, event.charge_id) if event.charge_id else None

    def _record(
        self,
        uow: UnitOfWork,
        event: PaymentEvent,
        kind: PaymentKind,
        order: Order | None,
        status: PaymentStatus,
        note: str,
    ) -> Payment | None:
        """Insert the movement; None when it is booked already."""
        payment = Payment(
            id=PaymentId(self.ids.new()),
            provider=event.provider,
            kind=kind,
            external_id=event.external_id,
            charge_id=event.charge_id,
            money=event.money or Money(amount=0, currency="XXX"),
            status=status,
            order_id=order.id if order else None,
            user_id=order.user_id if order else None,
            note=note,
            at=event.at,
        )
        if not uow.payments.add(payment):
            return None
        uow.publish(self._fact(EventType.PAYMENT_CREATED, payment, event.at))
        return payment

    def _fact(self, kind: EventType, payment: Payment, at: datetime, **data: str) -> Event:
        facts: dict[str, str | int | None] = {
            "order_id": str(payment.order_id) if payment.order_id else None,
            "amount": payment.money.amount,
            "currency": payment.money.currency,
            **data,
        }
        return Event(
            id=EventId(self.ids.new()), type=kind, subject=payment.id, user_id=payment.user_id, at=at, data=facts
        )


def _mismatch(order: Order | None, event: PaymentEvent) -> str:
    """Say why money does not fit its order; empty when it does."""
    if event.doubt:
        return event.doubt
    if order is None:
        return "no such order"
    if order.provider is not event.provider:
        return f"paid through {event.provider}, ordered through {order.provider}"
    if event.money != order.price:
        return f"paid {event.money}, ordered for {order.price}"
    if not order.payable:
        return f"the order is {order.status} already"
    return ""
