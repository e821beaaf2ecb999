"""Commands about orders."""

from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.application import Application
from veilbot_core.domain.ids import OrderId, UserId
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_runners.commands.printing import AsJson, Limit, Row, show, show_all
from veilbot_runners.commands.serve import with_shop

orders = typer.Typer(help="What customers decided to buy.", no_args_is_help=True, rich_markup_mode=None)


@orders.command("list")
def order_list(
    user: Annotated[UUID | None, typer.Option(help="Only this customer's.")] = None,
    status: Annotated[OrderStatus | None, typer.Option(help="Only with this status.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show orders, newest first."""
    of = UserId(user) if user else None
    found = with_shop(lambda shop: shop.checkout.page(limit=limit, user_id=of, status=status))
    show_all(
        [_brief(order) for order in found],
        as_json=as_json,
        empty="There is no order yet." if user is None and status is None else "There is no such order.",
    )


@orders.command("show")
def order_show(order: UUID, as_json: AsJson = False) -> None:
    """Show an order."""
    show(_order(with_shop(lambda shop: shop.checkout.get(OrderId(order)))), as_json=as_json)


@orders.command("refund")
def order_refund(
    order: UUID,
    amount: Annotated[str | None, typer.Option(help="In major units, as 2.50; all that is left by default.")] = None,
    as_json: AsJson = False,
) -> None:
    """Decide to send money back; the worker does it."""

    async def act(shop: Application) -> Order:
        known = await shop.checkout.get(OrderId(order))
        minor = Money.parse(amount, known.price.currency).amount if amount is not None else None
        return await shop.payments.ask_refund(known.id, minor)

    show(_order(with_shop(act)), as_json=as_json)


@orders.command("retry")
def order_retry(order: UUID, as_json: AsJson = False) -> None:
    """Fulfil a paid order now; one that is held is approved by this."""
    show(_order(with_shop(lambda shop: shop.fulfilment.retry(OrderId(order)))), as_json=as_json)


def _brief(order: Order) -> Row:
    return {
        "id": order.id,
        "status": order.status,
        "tariff": order.terms.name,
        "price": order.price,
        "user_id": order.user_id,
        "created_at": order.created_at,
        "note": order.note,
    }


def _order(order: Order) -> Row:
    return {
        **_brief(order),
        "provider": order.provider,
        "country": order.country,
        "subscription_id": order.subscription_id,
        "checkout_id": order.checkout_id,
        "expires_at": order.expires_at,
        "paid_at": order.paid_at,
        "closed_at": order.closed_at,
    }
