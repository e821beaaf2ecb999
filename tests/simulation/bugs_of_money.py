"""Planted bugs: how shops lose money, or give keys for none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tests.simulation.bugs import Bug, gateway, instead, repository

from veilbot_adapters.memory.orders import MemoryPayments
from veilbot_adapters.memory.storage import MemoryUnitOfWork
from veilbot_adapters.memory.subscriptions import MemorySubscriptions
from veilbot_adapters.memory.tables import Journal, Table
from veilbot_adapters.memory.webhook import read
from veilbot_core.books import Books
from veilbot_core.domain.errors import PortError
from veilbot_core.domain.events import FOLLOW_UPS, Event, EventType
from veilbot_core.domain.ids import GrantId, OrderId, SubscriptionId, derive
from veilbot_core.domain.jobs import DELAYS, Job, JobKind
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, Payment, PaymentEvent, Provider, Receipt, under_dispute
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.payments import Payments
from veilbot_core.services.subscriptions import Subscriptions
from veilbot_core.steps import about
from veilbot_runners.simulation import Plant
from veilbot_runners.simulation.ports import SimGateway


class AnyAmount(Books):
    def enter(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order = uow.orders.find(event.order_id) if event.order_id else None
        if order is not None and event.happening is Happening.CHARGED:
            event = replace(event, money=order.price)
        return super().enter(uow, event, now)


class AnyCurrency(Books):
    def enter(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order = uow.orders.find(event.order_id) if event.order_id else None
        if order is not None and event.money is not None and event.happening is Happening.CHARGED:
            event = replace(event, money=Money(amount=event.money.amount, currency=order.price.currency))
        return super().enter(uow, event, now)


class NoSignature(SimGateway):
    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent | None:
        del headers
        return read(Provider.STRIPE, body)


class AnswersFirst(Payments):
    async def receive(self, provider: Provider, body: bytes, headers: Mapping[str, str]) -> Receipt:
        try:
            return await Payments.receive(self, provider, body, headers)
        except PortError:
            return Receipt.ACCEPTED


class NoInbox(MemoryPayments):
    def first_sight(self, provider: Provider, event_id: str, at: datetime) -> bool:
        del provider, event_id, at
        return True

    def add(self, payment: Payment) -> bool:
        known = self.find(payment.provider, payment.kind, payment.external_id)
        return super().add(payment if known is None else replace(payment, external_id=f"{payment.external_id}+"))


class GrantsAddUp(MemorySubscriptions):
    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._grants = Table(journal, indexes=[self._grants_of])

    def add_grant(self, grant: Grant) -> bool:
        number = len(self._grants.rows)
        self._grants.insert(number, replace(grant, id=GrantId(derive(grant.id, number))))
        return True

    def grant_for(self, source: GrantSource, source_id: str) -> Grant | None:
        rows = self._grants.rows.values()
        return next((g for g in rows if (g.source, g.source_id) == (source, source_id)), None)

    def grants(self, subscription_id: SubscriptionId) -> Sequence[Grant]:
        return sorted(
            (g for g in self._grants.rows.values() if g.subscription_id == subscription_id), key=lambda g: g.at
        )

    def save_grant(self, grant: Grant) -> None:
        number = next(number for number, known in self._grants.rows.items() if known.id == grant.id)
        self._grants.update(number, grant)


class ClosesUnasked(Payments):
    async def close(self, job: Job) -> None:
        def work(uow: UnitOfWork) -> None:
            order = uow.orders.lock(OrderId(job.subject))
            if order.status is OrderStatus.PENDING:
                uow.orders.save(order.cancel(self.clock.now()))
            uow.jobs.finish(job)

        await self.storage.write(work)


class RefundPerAttempt(SimGateway):
    async def refund(self, order: Order, charge_id: str, money: Money, *, attempt: str) -> PaymentEvent:
        fresh = f"{attempt} at {self._world.clock.monotonic()}"
        return await super().refund(order, charge_id, money, attempt=fresh)


class RefundKeepsDays(Books):
    def _shrink(self, uow: UnitOfWork, order: Order, refunded: int, paid: int, now: datetime) -> None:
        """Leave the grant as it is."""


class DisputeIgnored(Books):
    def _freeze(self, uow: UnitOfWork, subscription_id: SubscriptionId, now: datetime) -> None:
        """Leave the keys where they are."""


class DisputeForgotten(Books):
    """As it was before the simulator: a dispute that overtook its charge was not thought of again."""

    def _settle(self, uow: UnitOfWork, order: Order, now: datetime) -> None:
        uow.orders.save(order)
        uow.publish(about(self.ids, EventType.ORDER_PAID, order, now))


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


class LateMoneyIgnored(Books):
    def _charged(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order = self._order_of(uow, event)
        if order is not None and order.status is OrderStatus.CANCELED:
            return Receipt.IGNORED
        return super()._charged(uow, event, now)


class NotesEverything(Books):
    def _hold(self, uow: UnitOfWork, payment: Payment, order: Order | None, trouble: str, now: datetime) -> None:
        where = order.checkout_url if order is not None else ""
        super()._hold(uow, payment, order, f"{trouble} ({where})", now)


class FailureCancels(Books):
    def _not_paid(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order = self._order_of(uow, event)
        if order is not None:
            uow.orders.save(replace(order, status=OrderStatus.CANCELED, closed_at=now))
        return Receipt.ACCEPTED


class Silent(MemoryUnitOfWork):
    def publish(self, *events: Event) -> None:
        self.outbox.append(*events)
        for event in events:
            for kind in FOLLOW_UPS.get(event.type, ()):
                if kind is not JobKind.ALERT:
                    due = event.at + DELAYS.get(kind, timedelta())
                    self.jobs.ask(Job.ask(kind, event.subject, event.at, due=due))


class ExtendsPerAttempt(Subscriptions):
    async def extend(self, subscription_id: SubscriptionId, days: int, request: UUID) -> Subscription:
        del request
        return await Subscriptions.extend(self, subscription_id, days, self.ids.new())


BUGS = (
    Bug(
        name="any amount will do",
        first=7,
        guard="the amount is compared with the order",
        breaks="nothing_for_unverified_money",
        faults="none",
        plant=instead("books", AnyAmount),
    ),
    Bug(
        name="any currency will do",
        first=8,
        guard="the currency is compared with the order",
        breaks="nothing_for_unverified_money",
        faults="none",
        plant=instead("books", AnyCurrency),
    ),
    Bug(
        name="webhooks are not verified",
        guard="the signature is checked over the raw bytes",
        breaks="nothing_for_unverified_money",
        faults="providers",
        plant=gateway(NoSignature),
    ),
    Bug(
        name="a webhook is answered before it is kept",
        first=66,
        guard="2xx comes after the commit",
        breaks="what_was_answered_is_kept",
        faults="storage",
        plant=instead("payments", AnswersFirst),
    ),
    Bug(
        name="a webhook that comes twice is booked twice",
        guard="the inbox, and payments unique by the provider's id",
        breaks="ledger_balances",
        faults="providers",
        plant=repository("payments", NoInbox),
    ),
    Bug(
        name="an order that is fulfilled again is granted again",
        first=18,
        guard="grants unique by what they are for",
        breaks="grants_are_applied_once",
        faults="servers",
        plant=repository("subscriptions", GrantsAddUp),
    ),
    Bug(
        name="an order whose webhook was lost is closed unasked",
        guard="the provider is asked before an order is canceled",
        breaks="ledger_balances",
        faults="providers",
        plant=instead("payments", ClosesUnasked),
    ),
    Bug(
        name="a refund is made anew on each attempt",
        first=24,
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
        name="a dispute changes nothing",
        first=2,
        guard="a dispute freezes what the money bought",
        breaks="disputed_access_is_frozen",
        faults="none",
        plant=instead("books", DisputeIgnored),
    ),
    Bug(
        name="a dispute that overtakes its charge is forgotten",
        first=24,
        guard="a charge is compared with the disputes that are booked",
        breaks="disputed_access_is_frozen",
        faults="providers",
        plant=instead("books", DisputeForgotten),
    ),
    Bug(
        name="the last dispute decides for all of them",
        first=45,
        guard="a subscription thaws when no dispute about its orders is left",
        breaks="disputed_access_is_frozen",
        faults="providers",
        plant=instead("books", LastDisputeDecides),
        orders=6,
    ),
    Bug(
        name="money for a canceled order is ignored",
        first=2,
        guard="late money is honoured",
        breaks="ledger_balances",
        faults="none",
        plant=instead("books", LateMoneyIgnored),
    ),
    Bug(
        name="a failed card cancels what was paid meanwhile",
        guard="an order only moves forward",
        breaks="states_only_move_forward",
        faults="providers",
        plant=instead("books", FailureCancels),
    ),
    Bug(
        name="a note names a secret address",
        first=11,
        guard="notes hold no secret",
        breaks="no_secret_is_kept_open",
        faults="none",
        plant=instead("books", NotesEverything),
    ),
    Bug(
        name="held money is nobody's business",
        first=2,
        guard="each held order and payment alerts the operators, in the commit that holds it",
        breaks="paid_means_a_key_or_a_person",
        faults="none",
        plant=Plant(repositories=Silent),
    ),
    Bug(
        name="an extension that is asked for again counts again",
        first=6,
        guard="a grant by hand is unique by its request",
        breaks="what_was_answered_is_kept",
        faults="none",
        plant=instead("subscriptions", ExtendsPerAttempt),
    ),
)
