"""Commands about what customers may use: subscriptions and their keys."""

from typing import Annotated
from uuid import UUID

import typer

from veilbot_core.application import Application
from veilbot_core.domain.ids import KeyId, SubscriptionId, TariffId, UserId
from veilbot_core.domain.key import Key
from veilbot_core.domain.subscription import Subscription
from veilbot_runners.commands.printing import AsJson, Limit, Row, show, show_all
from veilbot_runners.commands.serve import with_shop

subscriptions = typer.Typer(help="What customers may use.", no_args_is_help=True, rich_markup_mode=None)
keys = typer.Typer(help="Access to single servers.", no_args_is_help=True, rich_markup_mode=None)
Days = Annotated[int, typer.Option(min=1, max=36500, help="How many days.")]


@subscriptions.command("list")
def subscription_list(limit: Limit = 50, as_json: AsJson = False) -> None:
    """Show subscriptions, by id."""

    async def act(shop: Application) -> list[Row]:
        return [_subscription(shop, each) for each in await shop.subscriptions.page(limit=limit)]

    show_all(with_shop(act), as_json=as_json, empty="Nobody has a subscription yet.")


@subscriptions.command("show")
def subscription_show(
    subscription: UUID,
    link: Annotated[bool, typer.Option("--link", help="Show its secret link, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a subscription."""

    async def act(shop: Application) -> Row:
        holding = await shop.subscriptions.get(SubscriptionId(subscription))
        row = {**_subscription(shop, holding.subscription), "keys": len(holding.keys), "used_bytes": holding.used}
        return {**row, "link": holding.link} if link else row

    show(with_shop(act), as_json=as_json)


@subscriptions.command("extend")
def subscription_extend(subscription: UUID, days: Days, as_json: AsJson = False) -> None:
    """Add days; keys that had gone come back."""

    async def act(shop: Application) -> Row:
        request = shop.ids.new()
        return _subscription(shop, await shop.subscriptions.extend(SubscriptionId(subscription), days, request))

    show(with_shop(act), as_json=as_json)


@keys.command("list")
def key_list(
    user: Annotated[UUID | None, typer.Option(help="Only this customer's.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Show keys, without what opens them."""
    of = UserId(user) if user else None
    found = with_shop(lambda shop: shop.subscriptions.keys(limit=limit, user_id=of))
    show_all([_key(key) for key in found], as_json=as_json, empty="There is no key yet.")


@keys.command("show")
def key_show(key: UUID, as_json: AsJson = False) -> None:
    """Show a key, without what opens it."""

    async def act(shop: Application) -> Row:
        found = await shop.subscriptions.key(KeyId(key))
        server = await shop.fleet.get(found.server_id)
        limit = {"limit_bytes": found.desired.limit}
        return {**_key(found), **limit, "server": server.name, "server_id": server.id, "created_at": found.created_at}

    show(with_shop(act), as_json=as_json)


@keys.command("give")
def key_give(
    user: Annotated[UUID, typer.Option(help="To whom.")],
    tariff: Annotated[UUID, typer.Option(help="What they get.")],
    days: Days,
    country: Annotated[str | None, typer.Option(help="Two letters, ISO 3166-1.")] = None,
    as_json: AsJson = False,
) -> None:
    """Give a customer a new subscription by hand; the worker makes its keys."""

    async def act(shop: Application) -> Row:
        given = await shop.subscriptions.give(
            UserId(user), TariffId(tariff), days=days, country=country, request=shop.ids.new()
        )
        return _subscription(shop, given)

    show(with_shop(act), as_json=as_json)


def _subscription(shop: Application, subscription: Subscription) -> Row:
    return {
        "id": subscription.id,
        "standing": subscription.standing(shop.clock.now(), shop.policy.grace),
        "tariff": subscription.terms.name,
        "user_id": subscription.user_id,
        "ends_at": subscription.ends_at,
        "country": subscription.country,
        "created_at": subscription.created_at,
    }


def _key(key: Key) -> Row:
    return {
        "id": key.id,
        "name": key.name,
        "protocol": key.protocol,
        "works": key.observed.present and key.access_url is not None,
        "wanted": key.desired.present,
        "used_bytes": key.used,
        "user_id": key.user_id,
        "subscription_id": key.subscription_id,
        "note": key.note,
    }
