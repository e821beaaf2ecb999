"""Routes of the module links."""

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter, SkipValidation

from veilbot_core.application import Application
from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.user import Language
from veilbot_core.services.subscriptions import Holding
from veilbot_runners.api.address import Addresses
from veilbot_runners.api.errors import problem
from veilbot_runners.api.limits import Throttle
from veilbot_runners.api.links.formats import RENDERINGS, Format, encoded, guess
from veilbot_runners.api.links.outline import Trouble, dynamic, excuse, fits
from veilbot_runners.api.links.page import CSP, LinkPage
from veilbot_runners.api.links.texts import language
from veilbot_runners.api.openapi import ForMany, problems

AnyRequest = Request[Any, Any, Any]
Services = NamedDependency[SkipValidation[Application]]
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
_HOURS = 12  # how often apps shall ask again
_VARY = "User-Agent, Accept, Accept-Language"
Wanted = Annotated[
    Format | None,
    QueryParameter(description="The form; without it, the one that suits the asking app or browser."),
]


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
    operation_class=ForMany,
)
async def show_link(
    request: AnyRequest,
    application: Services,
    showing: Shown,
    token: FromPath[str],
    format: Wanted = None,  # noqa: A002 - the query calls it so
) -> Response[Any]:
    """Render a subscription for who asks.

    A page for a browser; YAML for Clash and mihomo; JSON for sing-box; a dynamic key for Outline, or YAML whose
    `error` its app shows; for any other app a base64 list of access URLs.
    """
    throttle = showing.throttle
    request.state.headers += await throttle.hit(f"link:{showing.addresses.of(request.scope)}", throttle.rate.links)
    form = format or guess(request.headers)
    if not _TOKEN.fullmatch(token):
        return _gone(request, showing, form)
    try:
        holding = await application.subscriptions.by_link(token)
    except NotFound:
        return _gone(request, showing, form)
    if form is Format.OUTLINE and format is None and holding.keys and not any(map(fits, holding.keys)):
        form = Format.BASE64  # not Outline, but another app in Go that does not say who it is
    if form is Format.OUTLINE:
        return await _outline(application, showing, holding)
    ended = holding.standing is Standing.EXPIRED
    if form is Format.PAGE:
        tongue = (await application.users.get(holding.subscription.user_id)).language
        return (
            _html(showing.page.notice("ended", tongue), 410) if ended else _html(showing.page.holding(holding, tongue))
        )
    if ended:
        return problem(request, 410, code="ended", headers={"Vary": _VARY})
    rendering = RENDERINGS[form]
    return _configuration(rendering.write(holding), rendering.media_type, holding, showing)


@get("/paid", media_type="text/html", summary="Back from a payment page", responses=problems())
async def paid(request: AnyRequest, showing: Shown) -> Response[str]:
    """Say that the key comes in the chat; nothing is decided by opening this page."""
    return _html(showing.page.notice("paid", _liked(request)))


@get("/canceled", media_type="text/html", summary="Back without a payment", responses=problems())
async def canceled(request: AnyRequest, showing: Shown) -> Response[str]:
    """Say that nothing was paid; nothing is decided by opening this page."""
    return _html(showing.page.notice("canceled", _liked(request)))


async def _outline(application: Application, showing: Showing, holding: Holding) -> Response[Any]:
    """Answer 200 whatever is wrong: the app shows an error in the customer's language, and no other status's body."""
    said = dynamic(holding)
    if not isinstance(said, Trouble):
        return _configuration(said, "application/json", holding, showing)
    user = await application.users.get(holding.subscription.user_id)
    text = excuse(said, user.language, showing.page.support_url)
    return _configuration(text, "application/yaml", holding, showing)


def _configuration(text: str, media_type: str, holding: Holding, showing: Showing) -> Response[Any]:
    """Return what VPN apps read, and facts in the headers that they show."""
    subscription = holding.subscription
    name = subscription.terms.name
    limit = subscription.terms.traffic_limit if subscription.terms.limit_kept and not subscription.vip else 0
    expire = 0 if subscription.vip else int(subscription.ends_at.timestamp())
    headers = {
        "Subscription-Userinfo": f"upload=0; download={holding.used}; total={limit}; expire={expire}",
        "Profile-Title": name if _is_plain(name) else f"base64:{encoded(name)}",
        "Profile-Update-Interval": str(_HOURS),
        # Clash's apps take the file's name for the profile's
        "Content-Disposition": f"attachment; filename=\"vpn\"; filename*=UTF-8''{quote(name, safe='')}",
        "Vary": _VARY,
    }
    if showing.page.support_url is not None:
        headers["Support-Url"] = showing.page.support_url
    return Response(text, media_type=media_type, headers=headers)


def _is_plain(name: str) -> bool:
    """Say whether a header can hold a name as it is."""
    return name.isascii() and name == name.strip() and not name.startswith("base64:")


def _gone(request: AnyRequest, showing: Showing, form: Format) -> Response[Any]:
    if form is Format.PAGE:
        return _html(showing.page.notice("gone", _liked(request)), 404)
    return problem(request, 404, code="not_found", headers={"Vary": _VARY})


def _html(text: str, status: int = 200) -> Response[str]:
    headers = {"Content-Security-Policy": CSP, "Vary": _VARY}
    return Response(text, media_type="text/html", status_code=status, headers=headers)


def _liked(request: AnyRequest) -> Language:
    """Return the browser's language, for who is not known."""
    return language(request.headers.get("accept-language", ""))


router = Router("/", route_handlers=[show_link, paid, canceled], tags=["links"])
