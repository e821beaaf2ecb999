"""Building the HTTP API out of its modules."""

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import version
from types import MappingProxyType
from typing import Any
from uuid import UUID

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput
from veilbot_runners.api import health
from veilbot_runners.api.address import Addresses
from veilbot_runners.api.admin import routes as admin
from veilbot_runners.api.billing import routes as billing
from veilbot_runners.api.bodies import StrictRequest
from veilbot_runners.api.edge import Edge, NoEvents
from veilbot_runners.api.errors import HANDLERS
from veilbot_runners.api.gate import Doorkeeper, Gate
from veilbot_runners.api.limits import BODY_LIMIT, Rate, Throttle
from veilbot_runners.api.links import routes as links
from veilbot_runners.api.links.page import LinkPage
from veilbot_runners.api.load import Turnstile
from veilbot_runners.api.openapi import config
from veilbot_runners.api.users import routes as users
from veilbot_runners.api.vpn import routes as vpn
from veilbot_runners.api.webhooks import TelegramWebhook, webhooks

_GATED: Mapping[str, Router] = MappingProxyType(
    {"users": users.router, "billing": billing.router, "vpn": vpn.router, "admin": admin.router}
)
MODULES = (*_GATED, "webhooks", "links")
"""What can be mounted, each alone or with others."""


def build_api(
    application: Application,
    *,
    modules: Collection[str] = MODULES,
    trusted_proxies: Sequence[str] = (),
    telegram: TelegramWebhook | None = None,
    debug_docs: bool = True,
    rate: Rate = Rate(),  # noqa: B008 - frozen
    qr: Callable[[str], str] | None = None,
    support_url: str | None = None,
) -> Litestar:
    """Return the API with the chosen modules.

    Args:
        application: the services.
        modules: some of `MODULES`.
        trusted_proxies: CIDRs of proxies whose ``X-Forwarded-For`` counts.
        telegram: takes Telegram's updates; without it the route answers 404.
        debug_docs: whether ``/schema`` shows the routes as a page.
        rate: how often one caller may ask, and how many at once.
        qr: draws a text as an SVG picture, for the links' page.
        support_url: where customers find help.

    Raises:
        InvalidInput: a module or a network that there is not.
    """
    if unknown := sorted(set(modules) - set(MODULES)):
        raise InvalidInput(f"there is no module {unknown[0]!r}; there are {', '.join(MODULES)}", field="modules")
    addresses = Addresses(trusted_proxies)
    throttle = Throttle(limiter=application.limiter, rate=rate)
    page = LinkPage(qr=qr, support_url=support_url, grace=application.policy.grace)
    showing = links.Showing(addresses=addresses, throttle=throttle, page=page)
    handlers: list[HTTPRouteHandler | Router] = [_gated(modules), health.alive, health.ready]
    handlers += [webhooks(application, telegram, rate.webhook)] if "webhooks" in modules else []
    handlers += [links.router] if "links" in modules else []
    app = Edge(
        route_handlers=handlers,
        dependencies={"application": _constant(application), "showing": _constant(showing)},
        exception_handlers=dict(HANDLERS),
        request_class=StrictRequest,
        request_max_body_size=BODY_LIMIT,
        openapi_config=config(version("veilbot"), modules=modules, docs=debug_docs),
        logging_config=None,
        event_emitter_backend=NoEvents,
    )
    app.state.doorkeeper = Doorkeeper(application=application, addresses=addresses, throttle=throttle)
    app.ids = application.ids
    app.turnstile = Turnstile(rate.at_once)
    app.secure = application.policy.public_url.startswith("https://")
    return app


def _gated(modules: Collection[str]) -> Router:
    return Router(
        "/api/v1",
        route_handlers=[_GATED[name] for name in MODULES if name in modules and name in _GATED],
        middleware=[Gate],
        dependencies={"attempt": Provide(_attempt, sync_to_thread=False)},
    )


def _constant(value: object) -> Provide:
    return Provide(lambda: value, use_cache=True, sync_to_thread=False)


def _attempt(request: Request[Any, Any, Any]) -> UUID:
    """Return the id of what a POST asks for: the same each time that it is sent under one idempotency key."""
    attempt: UUID = request.state.attempt
    return attempt
