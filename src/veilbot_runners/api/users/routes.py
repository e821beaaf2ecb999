"""Routes of the module users."""

from uuid import UUID

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from veilbot_core.application import Application
from veilbot_core.domain.ids import UserId
from veilbot_runners.api.billing.schemas import PaymentView
from veilbot_runners.api.idempotency import Attempt
from veilbot_runners.api.openapi import changes, needs
from veilbot_runners.api.paging import After, Limit, Page, paged
from veilbot_runners.api.users.schemas import NewUser, UserView
from veilbot_runners.api.vpn.schemas import SubscriptionView

App = NamedDependency[SkipValidation[Application]]


@get("/", **needs("users:read"), summary="List customers")
async def list_users(application: App, limit: Limit = 50, after: After = None) -> Page[UserView]:
    """Newest first."""
    users = application.users
    return await paged(lambda n, start: users.page(limit=n, after=start), UserView.of, limit, after)


@post("/", **changes("users:write"), summary="Make a customer")
async def add_user(application: App, attempt: Attempt, data: JSONBody[NewUser]) -> UserView:
    """Make a customer by hand; a Telegram account belongs to one customer only."""
    return UserView.of(await application.users.add(data.name, data.telegram_id, data.language, request=attempt))


@get("/{user_id:uuid}", **needs("users:read"), summary="Show a customer")
async def show_user(application: App, user_id: FromPath[UUID]) -> UserView:
    """Show a customer."""
    return UserView.of(await application.users.get(UserId(user_id)))


@post("/{user_id:uuid}/block", **changes("users:write"), status_code=200, summary="Block a customer")
async def block_user(application: App, user_id: FromPath[UUID]) -> UserView:
    """Shut a customer out of buying; what they have paid for stays."""
    return UserView.of(await application.users.block(UserId(user_id)))


@post("/{user_id:uuid}/unblock", **changes("users:write"), status_code=200, summary="Unblock a customer")
async def unblock_user(application: App, user_id: FromPath[UUID]) -> UserView:
    """Let a customer buy again."""
    return UserView.of(await application.users.unblock(UserId(user_id)))


@get("/{user_id:uuid}/subscriptions", **needs("users:read"), summary="List a customer's subscriptions")
async def list_subscriptions(application: App, user_id: FromPath[UUID]) -> Page[SubscriptionView]:
    """By id, at most 100, all on one page."""
    user = await application.users.get(UserId(user_id))
    holdings = await application.subscriptions.of_user(user.id)
    return Page(items=[SubscriptionView.of(one.subscription, one.standing) for one in holdings])


@get("/{user_id:uuid}/payments", **needs("users:read"), summary="List a customer's payments")
async def list_payments(
    application: App, user_id: FromPath[UUID], limit: Limit = 50, after: After = None
) -> Page[PaymentView]:
    """Newest first."""
    user = await application.users.get(UserId(user_id))
    payments = application.payments
    return await paged(
        lambda n, start: payments.page(limit=n, after=start, user_id=user.id), PaymentView.of, limit, after
    )


router = Router(
    "/users",
    route_handlers=[list_users, add_user, show_user, block_user, unblock_user, list_subscriptions, list_payments],
    tags=["users"],
)
