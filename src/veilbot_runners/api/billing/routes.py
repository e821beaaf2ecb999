"""Routes of the module billing."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from veilbot_core.application import Application
from veilbot_core.domain.ids import OrderId, PaymentId, SubscriptionId, TariffId, UserId
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.payment import PaymentStatus
from veilbot_runners.api.billing.schemas import NewOrder, NewTariff, OrderView, PaymentView, Refund, TariffView
from veilbot_runners.api.idempotency import Attempt
from veilbot_runners.api.openapi import changes, needs
from veilbot_runners.api.paging import After, Limit, Page, paged, shelf

App = NamedDependency[SkipValidation[Application]]
OfUser = Annotated[UUID | None, QueryParameter(description="Only this customer's.")]


@get("/tariffs", **needs("billing:read"), summary="List tariffs")
async def list_tariffs(application: App, limit: Limit = 50, after: After = None) -> Page[TariffView]:
    """All of them, archived ones too, oldest first."""
    return shelf(await application.catalog.all(), TariffView.of, limit, after)


@post("/tariffs", **changes("billing:write"), summary="Put a tariff on sale")
async def add_tariff(application: App, attempt: Attempt, data: JSONBody[NewTariff]) -> TariffView:
    """Put something on sale; what is free is a trial."""
    tariff = await application.catalog.add(data.terms(), data.prices, trial=data.trial, request=attempt)
    return TariffView.of(tariff)


@get("/tariffs/{tariff_id:uuid}", **needs("billing:read"), summary="Show a tariff")
async def show_tariff(application: App, tariff_id: FromPath[UUID]) -> TariffView:
    """Show a tariff."""
    return TariffView.of(await application.catalog.get(TariffId(tariff_id)))


@post(
    "/tariffs/{tariff_id:uuid}/archive", **changes("billing:write"), status_code=200, summary="Take a tariff off sale"
)
async def archive_tariff(application: App, tariff_id: FromPath[UUID]) -> TariffView:
    """Take a tariff off sale; what was sold stays as it was."""
    return TariffView.of(await application.catalog.archive(TariffId(tariff_id)))


@get("/orders", **needs("billing:read"), summary="List orders")
async def list_orders(
    application: App,
    user_id: OfUser = None,
    status: Annotated[OrderStatus | None, QueryParameter(description="Only with this status.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[OrderView]:
    """Newest first."""
    checkout, of = application.checkout, UserId(user_id) if user_id else None
    return await paged(
        lambda n, start: checkout.page(limit=n, after=start, user_id=of, status=status), OrderView.of, limit, after
    )


@post("/orders", **changes("billing:write"), summary="Open a checkout")
async def add_order(application: App, data: JSONBody[NewOrder]) -> OrderView:
    """Decide to buy for a customer; asked for twice, the open order is returned again."""
    order = await application.checkout.open(
        UserId(data.user_id),
        TariffId(data.tariff_id),
        data.provider,
        currency=data.currency,
        country=data.country,
        subscription_id=SubscriptionId(data.subscription_id) if data.subscription_id else None,
    )
    return OrderView.of(order)


@get("/orders/{order_id:uuid}", **needs("billing:read"), summary="Show an order")
async def show_order(application: App, order_id: FromPath[UUID]) -> OrderView:
    """Show an order."""
    return OrderView.of(await application.checkout.get(OrderId(order_id)))


@post("/orders/{order_id:uuid}/refund", **changes("billing:write"), status_code=202, summary="Send money back")
async def refund_order(
    application: App, attempt: Attempt, order_id: FromPath[UUID], data: JSONBody[Refund | None] = None
) -> OrderView:
    """Decide to send money back; a worker does it, and the order changes when the provider has agreed."""
    amount = data.amount if data else None
    return OrderView.of(await application.payments.ask_refund(OrderId(order_id), amount, request=attempt))


@post("/orders/{order_id:uuid}/retry", **changes("billing:write"), status_code=202, summary="Drive an order again")
async def retry_order(application: App, order_id: FromPath[UUID]) -> OrderView:
    """Fulfil a paid order now; one that is held is approved by this."""
    return OrderView.of(await application.fulfilment.retry(OrderId(order_id)))


@get("/payments", **needs("billing:read"), summary="List payments")
async def list_payments(
    application: App,
    user_id: OfUser = None,
    status: Annotated[PaymentStatus | None, QueryParameter(description="Only with this status.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[PaymentView]:
    """Newest first."""
    payments, of = application.payments, UserId(user_id) if user_id else None
    return await paged(
        lambda n, start: payments.page(limit=n, after=start, user_id=of, status=status), PaymentView.of, limit, after
    )


@get("/payments/{payment_id:uuid}", **needs("billing:read"), summary="Show a payment")
async def show_payment(application: App, payment_id: FromPath[UUID]) -> PaymentView:
    """Show a movement of money."""
    return PaymentView.of(await application.payments.get(PaymentId(payment_id)))


router = Router(
    "/billing",
    route_handlers=[
        *(list_tariffs, add_tariff, show_tariff, archive_tariff),
        *(list_orders, add_order, show_order, refund_order, retry_order),
        *(list_payments, show_payment),
    ],
    tags=["billing"],
)
