"""What must be true of money: it is booked, it is granted for once, and nothing else is."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from veilbot_core.domain.ids import OrderId, SubscriptionId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, left_of
from veilbot_core.domain.subscription import Grant, GrantSource
from veilbot_runners.simulation.evidence import Evidence

Invariant = Callable[[Evidence], Iterator[str]]
_ENDS = frozenset({OrderStatus.FULFILLED, OrderStatus.HELD, OrderStatus.REFUNDED})
_KINDS = frozenset({PaymentKind.CHARGE, PaymentKind.REFUND, PaymentKind.REFUND_FAILED})


def paid_means_a_key_or_a_person(evidence: Evidence) -> Iterator[str]:
    """Verified money has led to a fulfilled or refunded order, or to a state of which operators were told."""
    for order in evidence.orders.values():
        accepted = [p for p in evidence.charges(order.id) if p.status is PaymentStatus.ACCEPTED]
        if accepted and order.status not in _ENDS and not waits_for_room(evidence, order):
            yield f"order {order.id} was paid and is {order.status}"
        if order.status is OrderStatus.HELD and not evidence.alerted("order.held", order.id):
            yield f"order {order.id} is held and nobody was told"
        if order.status is OrderStatus.FULFILLED and not _grants(evidence, order):
            yield f"order {order.id} is fulfilled with nothing"
    for payment in evidence.payments:
        told = evidence.alerted("payment.held", payment.id) or evidence.alerted("order.held", payment.order_id)
        if payment.status is PaymentStatus.HELD and not told and left_of(payment, evidence.payments):
            yield f"payment {payment.external_id} is held and nobody was told"


def ledger_balances(evidence: Evidence) -> Iterator[str]:
    """What is booked is what moved at the provider, to the minor unit."""
    gateway = evidence.world.gateway
    moved = {("charge", c.id, c.money, c.order_id) for c in gateway.charges.values()}
    moved |= {("refund", r.id, r.money, r.order_id) for r in gateway.refunds.values()}
    failed = [gateway.refunds[one] for one in gateway.undone]
    moved |= {("refund_failed", r.id, r.money, r.order_id) for r in failed}
    booked = {(p.kind.value, p.external_id, p.money, _of(evidence, p)) for p in evidence.payments if p.kind in _KINDS}
    yield from (f"moved and not booked: {one[0]} {one[1]} {one[2]}" for one in sorted(moved - booked, key=str))
    yield from (f"booked and not moved: {one[0]} {one[1]} {one[2]}" for one in sorted(booked - moved, key=str))
    if len(booked) != sum(p.kind in _KINDS for p in evidence.payments):
        yield "a movement is booked twice"


def nothing_for_unverified_money(evidence: Evidence) -> Iterator[str]:
    """A grant of an order stands on a charge of exactly its price, or on an operator's word."""
    charges = {(c.order_id, c.money) for c in evidence.world.gateway.charges.values()}
    orders = {str(order.id): order for order in evidence.orders.values()}
    for grant in evidence.grants:
        if grant.source is GrantSource.ORDER:
            order = orders.get(grant.source_id)
            if order is None:
                yield f"grant {grant.id} is for no order: {grant.source_id}"
            elif (order.id, order.price) not in charges and order.id not in evidence.world.truth.approved:
                yield f"order {order.id} was granted without its money"


def grants_are_applied_once(evidence: Evidence) -> Iterator[str]:
    """One grant for each thing, of the days that were agreed; the end is their sum, worked out here again."""
    sources = [(grant.source, grant.source_id) for grant in evidence.grants]
    yield from (f"granted twice: {one[1]}" for one in sorted(set(sources)) if sources.count(one) > 1)
    for order in evidence.orders.values():
        for grant in _grants(evidence, order):
            if grant.days != order.terms.days or grant.subscription_id != order.subscription_id:
                yield f"grant {grant.id} is not what order {order.id} is for"
    for subscription in evidence.subscriptions.values():
        end = _end(evidence, subscription.id)
        if end is not None and end != subscription.ends_at:
            yield f"subscription {subscription.id} ends {subscription.ends_at}, its grants {end}"


def refunds_take_back_what_they_paid_for(evidence: Evidence) -> Iterator[str]:
    """No more goes back than was asked, what was promised does, and days go with the money."""
    world = evidence.world
    for order in evidence.orders.values():
        refunds = [r for r in world.gateway.refunds.values() if r.order_id == order.id]
        ours = [r for r in refunds if not r.by_hand]
        if len(ours) > world.truth.asked[order.id]:
            yield f"order {order.id}: money went back {len(ours)} times, asked {world.truth.asked[order.id]} times"
        if not refunds and order.id in world.truth.promised:
            yield f"order {order.id}: a refund was promised and never made"
        if order.status is OrderStatus.REFUNDED:
            yield from (f"order {order.id} is refunded and still counts" for g in _grants(evidence, order) if _left(g))
        back, paid = _went_back(evidence, order)
        beyond = max(0, paid - order.price.amount)  # paid for nothing, and goes back first
        for grant in _grants(evidence, order):
            if paid and grant.taken_back < grant.days * max(0, back - beyond) // (paid - beyond):
                yield f"order {order.id}: {back} of {paid} went back, and {grant.taken_back} days"


def failed_refunds_arrive_in_the_end(evidence: Evidence) -> Iterator[str]:
    """Of a refund that failed operators were told, and what days were taken back for has reached the customer."""
    gateway = evidence.world.gateway
    for payment in evidence.payments:
        if payment.kind is PaymentKind.REFUND_FAILED and not evidence.alerted("payment.refund_failed", payment.id):
            yield f"refund {payment.external_id} failed and nobody was told"
    for order_id in sorted({gateway.refunds[one].order_id for one in gateway.undone}):
        order, charges = evidence.orders[order_id], evidence.charges(order_id)
        sent = {refund.charge_id for refund in gateway.refunds.values()}
        # of an order whose money was held, what came when it was refunded already waits for a person by itself
        accepted = [p for p in charges if p.status is PaymentStatus.ACCEPTED]
        late = f"the order is {OrderStatus.REFUNDED} already"
        paid = accepted or [p for p in charges if p.external_id in sent and p.note != late]
        total, ours = sum(p.money.amount for p in paid), {p.external_id for p in paid}
        there = [r for r in gateway.refunds.values() if r.charge_id in ours and r.id not in gateway.undone]
        arrived = sum(refund.money.amount for refund in there)
        if order.status is OrderStatus.REFUNDED and arrived < total:
            yield f"order {order_id} is refunded, {arrived} of {total} arrived"
        for grant in _grants(evidence, order):
            if grant.taken_back > grant.days * min(arrived, total) // total:
                yield f"order {order_id}: {grant.taken_back} days were taken back, {arrived} of {total} arrived"


def disputed_access_is_frozen(evidence: Evidence) -> Iterator[str]:
    """While a bank claims the money of a subscription back, or has it, its keys are off; afterwards they are on."""
    truth = evidence.world.truth
    for subscription in evidence.subscriptions.values():
        sources = {g.source_id for g in evidence.grants if g.subscription_id == subscription.id and _left(g)}
        about = [o for o in evidence.orders.values() if str(o.id) in sources]
        verdicts = {truth.disputes[o.id] for o in about if o.id in truth.disputes}
        claimed = bool(verdicts - {"won"}) and not any(o.id in truth.approved for o in about)
        if claimed and subscription.frozen_at is None:
            yield f"subscription {subscription.id} is disputed and not frozen"
        if not verdicts - {"won"} and subscription.frozen_at is not None:
            yield f"subscription {subscription.id} is frozen and no dispute is left"


def won_disputes_hold_nothing(evidence: Evidence) -> Iterator[str]:
    """What was paid in full is granted once no bank claims its money, or that of the subscription that it renews."""
    truth = evidence.world.truth
    for order in evidence.orders.values():
        back, paid = _went_back(evidence, order)
        if order.status is not OrderStatus.HELD or back or paid != order.price.amount or _grants(evidence, order):
            continue
        beside = [
            o for o in evidence.orders.values() if o.subscription_id and o.subscription_id == order.subscription_id
        ]
        verdicts = {truth.disputes.get(o.id, "won") for o in (order, *beside)}
        charge = next(c for c in evidence.world.gateway.charges.values() if c.order_id == order.id)
        if verdicts == {"won"} and charge.money == order.price:
            yield f"order {order.id} is held though it was paid and no dispute is left: {order.note}"


def what_was_answered_is_kept(evidence: Evidence) -> Iterator[str]:
    """Whatever somebody was told is done, is done."""
    truth = evidence.world.truth
    kinds = {"charged": PaymentKind.CHARGE, "refunded": PaymentKind.REFUND}
    booked = {(payment.kind, payment.external_id) for payment in evidence.payments}
    for happening, external_id in sorted(truth.booked):
        if (kinds[happening], external_id) not in booked:
            yield f"the webhook of {external_id} was answered and is not booked"
    for order_id, price in truth.opened.items():
        if order_id not in evidence.orders or evidence.orders[order_id].price != price:
            yield f"order {order_id} was shown and is not there"
    given = {grant.source_id: grant.days for grant in evidence.grants if grant.source is GrantSource.OPERATOR}
    yield from (f"extension {one} was confirmed, not made" for one, n in truth.extended.items() if given.get(one) != n)


def refunded_access_is_over(evidence: Evidence) -> Iterator[str]:
    """Where a refund took back all the time that was left, keys are gone at once: there is no grace."""
    for subscription in evidence.subscriptions.values():
        back = _refunded_at(evidence, subscription.id)
        if back is None or subscription.vip or subscription.ends_at > back:
            continue
        keys = [k for k in evidence.keys.values() if k.subscription_id == subscription.id and k.desired.present]
        yield from (f"key {key.id} of {subscription.id}, whose money went back" for key in keys)


INVARIANTS: tuple[Invariant, ...] = (
    paid_means_a_key_or_a_person,
    ledger_balances,
    nothing_for_unverified_money,
    grants_are_applied_once,
    refunds_take_back_what_they_paid_for,
    failed_refunds_arrive_in_the_end,
    refunded_access_is_over,
    disputed_access_is_frozen,
    won_disputes_hold_nothing,
    what_was_answered_is_kept,
)


def waits_for_room(evidence: Evidence, order: Order) -> bool:
    """Say whether a paid order waits for a free place, and operators know and have not made room yet."""
    return (
        order.status is OrderStatus.PAID
        and not evidence.world.truth.roomy
        and evidence.alerted("order.waiting", order.id)
    )


def _grants(evidence: Evidence, order: Order) -> list[Grant]:
    return [g for g in evidence.grants if g.source is GrantSource.ORDER and g.source_id == str(order.id)]


def _of(evidence: Evidence, payment: Payment) -> OrderId | None:
    """Return whose money moved; the provider knows it where what was heard before its charge names no order."""
    charge = evidence.world.gateway.charges.get(payment.charge_id or "")
    return payment.order_id if payment.order_id or charge is None else charge.order_id


def _went_back(evidence: Evidence, order: Order) -> tuple[int, int]:
    """Return what of an order's only charge went back, and the charge, by the provider's own books."""
    gateway = evidence.world.gateway
    charges = [c for c in gateway.charges.values() if c.order_id == order.id]
    if len(charges) != 1:  # which of them paid is a matter of what was heard first
        return 0, 0
    back = [r.money.amount for r in gateway.refunds.values() if r.order_id == order.id and r.id not in gateway.undone]
    return sum(back), charges[0].money.amount


def _left(grant: Grant) -> int:
    return grant.days - grant.taken_back


def _end(evidence: Evidence, subscription_id: SubscriptionId) -> datetime | None:
    end: datetime | None = None
    mine = sorted((g for g in evidence.grants if g.subscription_id == subscription_id), key=lambda g: (g.at, g.id))
    for grant in mine:
        end = max(grant.at, end or grant.at) + timedelta(days=_left(grant))
    return end


def _refunded_at(evidence: Evidence, subscription_id: SubscriptionId) -> datetime | None:
    """Return when money for a subscription went back last, by the provider's own books."""
    sources = {g.source_id for g in evidence.grants if g.subscription_id == subscription_id and g.taken_back}
    return max((r.at for r in evidence.world.gateway.refunds.values() if str(r.order_id) in sources), default=None)
