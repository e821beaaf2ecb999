"""How Stripe's API takes parameters and how it refuses: nested forms in, JSON errors out (see its /api/errors)."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

Form = Mapping[str, Any]
"""Values are texts or further forms; a list is a form whose keys are its indices."""

_KEY = re.compile(r"([a-zA-Z_]\w*)((?:\[\w*\])*)", re.ASCII)
_WHOLE_ONLY = frozenset({"isk", "ugx"})
_THREE_DIGITS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


class StripeRefusal(Exception):
    """An answer that is an error."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        error = {"message": message, "param": param, "code": code, "type": kind}
        self.body = {"error": {name: value for name, value in error.items() if value is not None}}


def missing(what: str, thing_id: str) -> StripeRefusal:
    """Say that there is no such thing."""
    return StripeRefusal(f"No such {what}: '{thing_id}'", param="id", code="resource_missing", status=404)


def read_form(encoded: str) -> dict[str, Any]:
    """Read ``a[b][0][c]=1`` as nested forms."""
    form: dict[str, Any] = {}
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, max_num_fields=500)
    except ValueError:
        raise StripeRefusal("Invalid form") from None
    for name, value in pairs:
        matched = _KEY.fullmatch(name)
        if matched is None:
            raise StripeRefusal(f"Invalid parameter name: {name[:80]}")
        *path, last = [matched[1], *re.findall(r"\[(\w*)\]", matched[2])]
        place = form
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise StripeRefusal("Invalid form", param=matched[1])
        place[last] = value
    return form


def only(form: Form, *allowed: str) -> None:
    """Refuse parameters that Stripe does not know here."""
    for name in form:
        if name not in allowed:
            raise StripeRefusal(f"Received unknown parameter: {name}", param=name, code="parameter_unknown")


def text(form: Form, name: str, default: str | None = None) -> str:
    """Return a text; required unless there is a default."""
    value = form.get(name)
    if value is None or value == "":
        if default is not None:
            return default
        raise StripeRefusal(f"Missing required param: {name}.", param=name, code="parameter_missing")
    if not isinstance(value, str):
        raise StripeRefusal(f"Invalid string: {name}", param=name)
    return value


def number(form: Form, name: str, default: int | None = None) -> int:
    """Return a whole number."""
    value = text(form, name, None if default is None else str(default))
    if not re.fullmatch(r"-?[0-9]{1,15}", value):
        raise StripeRefusal(f"Invalid integer: {value[:40]}", param=name, code="parameter_invalid_integer")
    return int(value)


def inner(form: Form, name: str) -> dict[str, Any]:
    """Return a nested form, empty if it is not there."""
    value = form.get(name, {})
    if not isinstance(value, dict):
        raise StripeRefusal("Invalid object", param=name)
    return value


def metadata(form: Form) -> dict[str, str]:
    """Return the caller's own notes: at most 50, of 40 and 500 characters."""
    notes = inner(form, "metadata")
    if len(notes) > 50:
        raise StripeRefusal("Metadata can have up to 50 keys", param="metadata")
    for name, value in notes.items():
        if not isinstance(value, str) or len(name) > 40 or len(value) > 500:
            raise StripeRefusal("Metadata values are texts of up to 500 characters", param=f"metadata[{name[:40]}]")
    return notes


def address(form: Form, name: str) -> str:
    """Return an address of a page."""
    value = text(form, name)
    if not re.match(r"https?://[^/\s]", value):
        raise StripeRefusal("Not a valid URL", param=name, code="url_invalid")
    return value


def line_items(form: Form) -> tuple[str, str, int]:
    """Return the product's name, the currency and the whole price of a checkout."""
    items = list(inner(form, "line_items").values())
    if not items:
        raise StripeRefusal("Missing required param: line_items.", param="line_items", code="parameter_missing")
    names, currencies, total = [], set(), 0
    for item in items:
        if not isinstance(item, dict):
            raise StripeRefusal("Invalid object", param="line_items")
        price = inner(item, "price_data")
        names.append(text(inner(price, "product_data"), "name"))
        currencies.add(text(price, "currency").lower())
        total += number(price, "unit_amount") * number(item, "quantity", 1)
    currency = currencies.pop()
    if currencies or not re.fullmatch(r"[a-z]{3}", currency):
        raise StripeRefusal(f"Invalid currency: {currency[:10]}", param="line_items[0][price_data][currency]")
    if total < 0 or total % (100 if currency in _WHOLE_ONLY else 10 if currency in _THREE_DIGITS else 1):
        raise StripeRefusal("Invalid amount", param="line_items[0][price_data][unit_amount]", code="amount_invalid")
    return ", ".join(names), currency, total
