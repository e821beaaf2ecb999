"""The page where a customer of the local Stripe pays."""

from html import escape
from pathlib import Path
from string import Template

from litestar import MediaType, Response

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.money import Money
from veilbot_runners.sandbox.stripe_things import Session

_PAGE = Template((Path(__file__).with_name("stripe_pay.html")).read_text(encoding="utf-8"))
_DECLINED_CARDS = frozenset({"4000000000000002", "4000000000009995"})
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "RUB": "₽", "JPY": "¥", "INR": "₹", "UAH": "₴", "TRY": "₺", "KZT": "₸"}
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}


def show(session: Session, *, declined: bool = False) -> Response[str]:
    """Show a checkout as it stands."""
    page = _PAGE.substitute(
        product=escape(session.product),
        price=escape(price(session.amount, session.currency)),
        reference=escape(session.id[-8:].upper()),
        state="declined" if declined else session.status,
        success=escape(_target(session.success_url, session.id), quote=True),
        cancel=escape(_target(session.cancel_url, session.id), quote=True),
    )
    return Response(page, media_type=MediaType.HTML, headers=_HEADERS, status_code=402 if declined else 200)


def unknown() -> Response[str]:
    """Say that there is no such checkout."""
    page = _PAGE.substitute(product="", price="", reference="", state="unknown", success="", cancel="")
    return Response(page, media_type=MediaType.HTML, headers=_HEADERS, status_code=404)


def leave(url: str, session_id: str) -> Response[str]:
    """Send the customer back to the shop."""
    headers = {**_HEADERS, "location": _target(url, session_id)}
    return Response("", media_type=MediaType.HTML, headers=headers, status_code=303)


def declines(card: str) -> bool:
    """Whether a card is one of the test cards that banks refuse (docs.stripe.com/testing)."""
    return "".join(c for c in card if c.isdigit()) in _DECLINED_CARDS


def price(amount: int, currency: str) -> str:
    """Write a price as people read it; Stripe's amounts of UGX and ISK have two digits more than they need."""
    code = currency.upper()
    try:
        money = Money(amount=amount // 100 if code == "UGX" else amount, currency=code)
    except InvalidInput:
        return f"{amount} {code}"
    symbol = _SYMBOLS.get(code)
    if symbol is None:
        return str(money)
    return f"{money.major} {symbol}" if code in {"RUB", "UAH", "KZT"} else f"{symbol}{money.major}"


def _target(url: str, session_id: str) -> str:
    return url.replace("{CHECKOUT_SESSION_ID}", session_id)
