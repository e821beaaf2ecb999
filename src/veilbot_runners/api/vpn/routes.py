"""Routes of the module vpn."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from veilbot_core.application import Application
from veilbot_core.domain.ids import KeyId, SubscriptionId, TariffId, UserId
from veilbot_core.domain.subscription import Subscription
from veilbot_runners.api.idempotency import Attempt
from veilbot_runners.api.openapi import changes, needs
from veilbot_runners.api.paging import After, Limit, Page, cut, paged, place
from veilbot_runners.api.vpn.schemas import Extension, Gift, HoldingView, KeyView, SubscriptionView, UseView
from veilbot_runners.api.vpn.servers import HANDLERS

App = NamedDependency[SkipValidation[Application]]
AnyRequest = Request[Any, Any, Any]


def _view(application: Application, subscription: Subscription) -> SubscriptionView:
    now = application.subscriptions.clock.now()
    return SubscriptionView.of(subscription, subscription.standing(now, application.policy.grace))


@get("/subscriptions", **needs("vpn:read"), summary="List subscriptions")
async def list_subscriptions(application: App, limit: Limit = 50, after: After = None) -> Page[SubscriptionView]:
    """By id, which is not by age."""
    subscriptions = application.subscriptions
    return await paged(
        lambda n, start: subscriptions.page(limit=n, after=start), lambda one: _view(application, one), limit, after
    )


@get("/subscriptions/{subscription_id:uuid}", **needs("vpn:read"), summary="Show a subscription")
async def show_subscription(application: App, request: AnyRequest, subscription_id: FromPath[UUID]) -> HoldingView:
    """Show a subscription; its secret link only to those who may change it."""
    holding = await application.subscriptions.get(SubscriptionId(subscription_id))
    return HoldingView.of(holding, link=request.auth.may("vpn:write"))


@post(
    "/subscriptions/{subscription_id:uuid}/extend",
    **changes("vpn:write"),
    status_code=200,
    summary="Extend a subscription",
)
async def extend_subscription(
    application: App, attempt: Attempt, subscription_id: FromPath[UUID], data: JSONBody[Extension]
) -> SubscriptionView:
    """Add days; keys that had gone come back."""
    subscription = await application.subscriptions.extend(SubscriptionId(subscription_id), data.days, attempt)
    return _view(application, subscription)


@get("/keys", **needs("vpn:read"), summary="List keys")
async def list_keys(
    application: App,
    user_id: Annotated[UUID | None, QueryParameter(description="Only this customer's.")] = None,
    limit: Limit = 50,
    after: After = None,
) -> Page[KeyView]:
    """By id, without what opens them."""
    subscriptions, of = application.subscriptions, UserId(user_id) if user_id else None
    return await paged(lambda n, start: subscriptions.keys(limit=n, after=start, user_id=of), KeyView.of, limit, after)


@post("/keys", **changes("vpn:write"), summary="Grant a key by hand")
async def give_key(application: App, attempt: Attempt, data: JSONBody[Gift]) -> SubscriptionView:
    """Give a customer a new subscription, whose keys are on their way."""
    subscription = await application.subscriptions.give(
        UserId(data.user_id), TariffId(data.tariff_id), days=data.days, country=data.country, request=attempt
    )
    return _view(application, subscription)


@get("/users", **needs("vpn:read"), summary="Who uses which server")
async def list_uses(application: App, limit: Limit = 50, after: After = None) -> Page[UseView]:
    """List keys with their customers and servers."""
    start = place(after)
    keys = await application.subscriptions.keys(limit=limit + 1, after=KeyId(start) if start else None)
    servers = {server.id: server for server in await application.fleet.all()}
    return cut(keys, lambda key: UseView.of(key, servers[key.server_id]), limit)


router = Router(
    "/vpn",
    route_handlers=[
        *HANDLERS,
        *(list_subscriptions, show_subscription, extend_subscription, list_keys, give_key, list_uses),
    ],
    tags=["vpn"],
)
