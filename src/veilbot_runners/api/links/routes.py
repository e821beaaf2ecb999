"""Routes of the module links."""

import base64
import re
from dataclasses import dataclass
from typing import Any

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from veilbot_core.application import Application
from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.user import Language
from veilbot_core.services.subscriptions import Holding
from veilbot_runners.api.address import Addresses
from veilbot_runners.api.errors import problem
from veilbot_runners.api.limits import Throttle
from veilbot_runners.api.links.page import CSP, LinkPage
from veilbot_runners.api.links.texts import language
from veilbot_runners.api.openapi import ForTwo, problems

AnyRequest = Request[Any, Any, Any]
Services = NamedDependency[SkipValidation[Application]]
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_HOURS = 12  # how often apps shall ask again


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What the links' routes are made of."""

    addresses: Addresses
    throttle: Throttle
    page: LinkPage


Shown = NamedDependency[SkipValidation[Showing]]


@get(
    "/s/{token:str}",
    summary="Subscription link",
    media_type="text/plain",
    responses=problems(410, 429),
    operation_class=ForTwo,
)
async def show_link(request: AnyRequest, application: Services, showing: Shown, token: FromPath[str]) -> Response[Any]:
    """Render a subscription for who asks: a page for a browser, a base64 list of access URLs for an app."""
    throttle = showing.throttle
    request.state.headers += await throttle.hit(f"link:{showing.addresses.of(request.scope)}", throttle.rate.links)
    if not _TOKEN.fullmatch(token):
        return _notice(request, showing, "gone", 404)
    try:
        holding = await application.subscriptions.by_link(token)
    except NotFound:
        return _notice(request, showing, "gone", 404)
    if holding.standing is Standing.EXPIRED:
        return _notice(request, showing, "ended", 410)
    if _is_browser(request):
        return _html(showing.page.holding(holding, _tongue(request)))
    return _list(holding, showing.page.support_url)


@get("/paid", media_type="text/html", summary="Back from a payment page", responses=problems())
async def paid(request: AnyRequest, showing: Shown) -> Response[str]:
    """Say that the key comes in the chat; nothing is decided by opening this page."""
    return _html(showing.page.notice("paid", _tongue(request)))


@get("/canceled", media_type="text/html", summary="Back without a payment", responses=problems())
async def canceled(request: AnyRequest, showing: Shown) -> Response[str]:
    """Say that nothing was paid; nothing is decided by opening this page."""
    return _html(showing.page.notice("canceled", _tongue(request)))


def _list(holding: Holding, support_url: str | None) -> Response[Any]:
    """Return what VPN apps read: base64 of one URL per line, and facts in the headers that they show."""
    subscription = holding.subscription
    limit = 0 if subscription.vip else subscription.terms.traffic_limit or 0
    expire = 0 if subscription.vip else int(subscription.ends_at.timestamp())
    headers = {
        "Subscription-Userinfo": f"upload=0; download={holding.used}; total={limit}; expire={expire}",
        "Profile-Title": f"base64:{_base64(subscription.terms.name)}",
        "Profile-Update-Interval": str(_HOURS),
        "Vary": "Accept, Accept-Language",
    }
    if support_url is not None:
        headers["Support-Url"] = support_url
    urls = "\n".join(access.url for access in holding.keys)
    return Response(_base64(urls), media_type="text/plain", headers=headers)


def _notice(request: AnyRequest, showing: Showing, kind: str, status: int) -> Response[Any]:
    if _is_browser(request):
        return _html(showing.page.notice(kind, _tongue(request)), status)
    code = "not_found" if kind == "gone" else kind
    return problem(request, status, code=code)


def _html(text: str, status: int = 200) -> Response[str]:
    headers = {"Content-Security-Policy": CSP, "Vary": "Accept, Accept-Language"}
    return Response(text, media_type="text/html", status_code=status, headers=headers)


def _is_browser(request: AnyRequest) -> bool:
    return "text/html" in request.headers.get("accept", "").lower()


def _tongue(request: AnyRequest) -> Language:
    return language(request.headers.get("accept-language", ""))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


router = Router("/", route_handlers=[show_link, paid, canceled], tags=["links"])
