"""Planted bugs: how shops lose money, or give keys for none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tests.simulation.bugs import Bug, both, gateway, instead, repository

from veilbot_adapters.memory.orders import MemoryPayments
from veilbot_adapters.memory.storage import MemoryUnitOfWork
from veilbot_adapters.memory.subscriptions import MemorySubscriptions
from veilbot_adapters.memory.tables import Journal, Table
from veilbot_adapters.memory.webhook import read
from veilbot_core.books import Books
from veilbot_core.domain.errors import PortError
from veilbot_core.domain.events import FOLLOW_UPS, Event
from veilbot_core.domain.ids import GrantId, OrderId, SubscriptionId, derive
from veilbot_core.domain.jobs import DELAYS, Job, JobKind
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Happening, Payment, PaymentEvent, Provider, Receipt
from veilbot_core.domain.subscription import Grant, GrantSource, Subscription
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.services.payments import Payments
from veilbot_core.services.settlement import Settlement
from veilbot_core.services.subscriptions import Subscriptions
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


class NobodyAsks(Settlement):
    async def run(self, _: Job) -> None:
        """Hear webhooks alone."""


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
        first=4,
        guard="the signature is checked over the raw bytes",
        breaks="nothing_for_unverified_money",
        faults="providers",
        plant=gateway(NoSignature),
    ),
    Bug(
        name="a webhook is answered before it is kept",
        first=17,
        guard="2xx comes after the commit, and the provider is asked",
        breaks="what_was_answered_is_kept",
        faults="storage",
        plant=both(instead("payments", AnswersFirst), instead("settlement", NobodyAsks)),
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
        first=5,
        guard="grants unique by what they are for",
        breaks="grants_are_applied_once",
        faults="servers",
        plant=repository("subscriptions", GrantsAddUp),
    ),
    Bug(
        name="an order whose webhook was lost is closed unasked",
        guard="the provider is asked before an order is canceled, and once more by the schedule",
        breaks="ledger_balances",
        faults="providers",
        plant=both(instead("payments", ClosesUnasked), instead("settlement", NobodyAsks)),
    ),
    Bug(
        name="what no webhook told is never asked for",
        first=15,
        guard="providers are asked for all that they told",
        breaks="ledger_balances",
        faults="providers",
        plant=instead("settlement", NobodyAsks),
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
        first=8,
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
        first=3,
        guard="each held order and payment alerts the operators, in the commit that holds it",
        breaks="paid_means_a_key_or_a_person",
        faults="none",
        plant=Plant(repositories=Silent),
    ),
    Bug(
        name="an extension that is asked for again counts again",
        first=2,
        guard="a grant by hand is unique by its request",
        breaks="what_was_answered_is_kept",
        faults="none",
        plant=instead("subscriptions", ExtendsPerAttempt),
    ),
)
