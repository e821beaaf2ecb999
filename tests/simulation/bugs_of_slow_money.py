"""Planted bugs: how shops mistake money that is on its way, or that came back, for what it is not."""

from dataclasses import replace
from datetime import datetime

from tests.simulation.bugs import Bug, gateway, instead

from veilbot_core.books import Books
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import Happening, PaymentEvent, Receipt
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.simulation.ports import SimGateway


class DoneIsPaid(Books):
    def enter(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        order = uow.orders.find(event.order_id) if event.order_id else None
        if order is not None and event.happening is Happening.PROCESSING:
            event = replace(event, happening=Happening.CHARGED, money=order.price)
        return super().enter(uow, event, now)


class UnpaidIsExpired(SimGateway):
    async def fetch(self, order: Order) -> PaymentEvent | None:
        event = await super().fetch(order)
        return None if event is not None and event.happening is Happening.PROCESSING else event


class SentIsArrived(Books):
    def enter(self, uow: UnitOfWork, event: PaymentEvent, now: datetime) -> Receipt:
        if event.happening is Happening.REFUND_FAILED:
            return Receipt.IGNORED
        return super().enter(uow, event, now)


BUGS = (
    Bug(
        name="a customer who is done with the page has paid",
        first=26,
        guard="only money that arrived is booked",
        breaks="nothing_for_unverified_money",
        faults="none",
        plant=instead("books", DoneIsPaid),
    ),
    Bug(
        name="an order is closed while its money is on its way",
        first=5,
        guard="a provider says whether money is on its way, and the order waits for it",
        breaks="money_on_its_way_keeps_its_order_open",
        faults="none",
        plant=gateway(UnpaidIsExpired),
    ),
    Bug(
        name="a refund that was sent has arrived",
        first=7,
        guard="a refund that failed is booked, told, and can be sent again",
        breaks="failed_refunds_arrive_in_the_end",
        faults="none",
        plant=instead("books", SentIsArrived),
    ),
)
