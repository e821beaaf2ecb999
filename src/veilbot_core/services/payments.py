"""Payments: what providers tell us, what we ask them, and money sent back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from veilbot_core.books import Books
from veilbot_core.domain.errors import Conflict, GatewayOff, InvalidInput, Rejected
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId, PaymentId, UserId
from veilbot_core.domain.jobs import Job, JobKind, JobState
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import (
    Happening,
    Payment,
    PaymentStatus,
    Provider,
    Receipt,
    failed_refunds,
    left_of,
    refundable,
)
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.failpoints import Failpoints, Point
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.payments import PaymentGateway
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import about, made_before

_LATER = timedelta(hours=1)
_ARRIVAL = timedelta(days=30)
"""How long money may be on its way; bank debits take two weeks (docs.stripe.com/payments/bank-debits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payments:
    """Money in and money back; nothing is granted before it is verified."""

    storage: Storage
    gateways: Mapping[Provider, PaymentGateway]
    books: Books
    clock: Clock
    ids: Ids
    failpoints: Failpoints

    async def receive(self, provider: Provider, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Record what a provider's webhook says, in one commit; safe to call again with the same one.

        ``headers`` has lower-case names.

        Raises:
            GatewayOff: the provider is not configured; an unverifiable event is never read.
            InvalidSignature: the provider did not sign this body.
            MalformedEvent: signed but not understandable.
        """
        gateway = self._gateway(provider)
        await self.failpoints.reach(Point.REQUEST_READ)
        event = gateway.parse_webhook(body, headers)
        await self.failpoints.reach(Point.VERIFIED)
        if event is None:
            return Receipt.IGNORED

        def work(uow: UnitOfWork) -> Receipt:
            receipt = self.books.enter(uow, event, self.clock.now())
            self.failpoints.pass_by(Point.WRITTEN)
            return receipt

        receipt = await self.storage.write(work)
        await self.failpoints.reach(Point.COMMITTED)
        return receipt

    async def close(self, job: Job) -> None:
        """Ask the provider what became of an order whose time is over: honour it, cancel it, or ask again later.

        Money of some methods arrives days after the customer has paid.
        """
        order = await self.storage.read(lambda uow: uow.orders.get(OrderId(job.subject)))
        event = None
        if order.status is OrderStatus.PENDING:
            event = await self._gateway(order.provider).fetch(order)

        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            if event is not None:
                self.books.enter(uow, event, now)
            fresh = uow.orders.lock(order.id)
            if fresh.status is OrderStatus.PENDING:
                coming = event is not None and event.happening is Happening.PROCESSING
                if coming and now < fresh.expires_at + _ARRIVAL:
                    uow.jobs.postpone(job, now + _LATER, "", keep_attempts=False)
                    return
                canceled = fresh.cancel(now)
                uow.orders.save(canceled)
                uow.publish(about(self.ids, EventType.ORDER_CANCELED, canceled, now))
            uow.jobs.finish(job)

        await self.storage.write(work)

    async def ask_refund(self, order_id: OrderId, amount: int | None = None, *, request: UUID | None = None) -> Order:
        """Decide to send an order's money back, all of it or ``amount`` minor units; the worker does it.

        The same ``request`` decides once. So does who asks for all of it again; the same part again is refused until
        the first one is booked, because nobody can tell a slip from a wish.

        Raises:
            Conflict: there is nothing to send back, or this is under way.
            InvalidInput: more than what is left.
        """

        def work(uow: UnitOfWork) -> Order:
            order = uow.orders.lock(order_id)
            if made_before(uow, request, order.id) is not None:
                return order
            movements = uow.payments.of_order(order_id)
            found = refundable(movements)
            if found is None:
                raise Conflict("there is no money of this order to send back")
            charge, left = found
            asked = left if amount is None else amount
            if not 1 <= asked <= left:
                raise InvalidInput(f"a refund is 1 to {left} minor units", field="amount")
            job = self._refund(charge, asked, order.id, movements)
            known = uow.jobs.find(job.id)
            if amount is not None and known is not None and known.state is JobState.READY:
                raise Conflict("a refund of this very amount is under way already")
            uow.jobs.ask(job)
            return order

        return await self.storage.write(work)

    async def refund(self, job: Job) -> None:
        """Send the money back and book it; the provider's key makes twice the same as once.

        Money that somebody sent back at the provider's own page meanwhile is not sent again.

        Raises:
            Rejected: the provider refuses, and the books do not say why.
        """
        await self.failpoints.reach(Point.ORDER_CLAIMED)
        _, asked, attempt = job.detail.split("/")
        order, charge, left = await self.storage.read(lambda uow: _to_send_back(uow, job))
        if left <= 0:
            await self.storage.write(lambda uow: uow.jobs.finish(job))
            return
        money = Money(amount=int(asked), currency=charge.money.currency)
        await self.failpoints.reach(Point.BEFORE_CALL)
        try:
            event = await self._gateway(order.provider).refund(order, charge.external_id, money, attempt=attempt)
        except Rejected:
            if not await self.storage.write(lambda uow: self._rest_only(uow, job)):
                raise
            return
        await self.failpoints.reach(Point.ANSWERED)

        def work(uow: UnitOfWork) -> None:
            self.books.enter(uow, event, self.clock.now())
            uow.jobs.finish(job)

        await self.storage.write(work)
        await self.failpoints.reach(Point.APPLIED)

    async def get(self, payment_id: PaymentId) -> Payment:
        """Return a payment. Raises NotFound."""
        return await self.storage.read(lambda uow: uow.payments.get(payment_id))

    async def page(
        self,
        *,
        limit: int,
        after: PaymentId | None = None,
        user_id: UserId | None = None,
        status: PaymentStatus | None = None,
    ) -> Sequence[Payment]:
        """Return payments, newest first."""
        return await self.storage.read(
            lambda uow: uow.payments.page(limit=limit, after=after, user_id=user_id, status=status)
        )

    def _refund(self, charge: Payment, amount: int, order_id: OrderId, movements: Sequence[Payment]) -> Job:
        """Return the job of a refund; its attempt is named by what was left of the charge and how many have failed."""
        left, failed = left_of(charge, movements), failed_refunds(movements)  # another try is another refund
        detail = f"{charge.id}/{amount}/{left}{f'-{failed}' if failed else ''}"
        return Job.ask(JobKind.REFUND_ORDER, order_id, self.clock.now(), detail=detail)

    def _rest_only(self, uow: UnitOfWork, job: Job) -> bool:
        """Where all that was left should go back and a part has gone already, ask for the rest; else return False.

        Only after the provider refused: until then what has gone may be what this job sent.
        """
        order, charge, left = _to_send_back(uow, job)
        _, asked, attempt = job.detail.split("/")
        if left >= int(asked) or attempt.partition("-")[0] != asked:
            return False
        if left > 0:
            uow.jobs.ask(self._refund(charge, left, order.id, uow.payments.of_order(order.id)))
        uow.jobs.finish(job)
        return True

    def _gateway(self, provider: Provider) -> PaymentGateway:
        gateway = self.gateways.get(provider)
        if gateway is None:
            raise GatewayOff(f"{provider} is not configured")
        return gateway


def _to_send_back(uow: UnitOfWork, job: Job) -> tuple[Order, Payment, int]:
    """Return a refund's order and charge, and what is left of that."""
    order = uow.orders.get(OrderId(job.subject))
    charge = uow.payments.get(PaymentId(UUID(job.detail.partition("/")[0])))
    return order, charge, left_of(charge, uow.payments.of_order(order.id))
