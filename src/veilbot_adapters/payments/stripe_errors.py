"""What a failure of Stripe means: who must do what about it.

Stripe's own sentences are left out on purpose: they quote the request. Its codes, parameter names and request ids
lead an operator to the same entry in Stripe's dashboard.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import stripe

from veilbot_adapters.resilience import retry_after
from veilbot_core.domain.errors import MalformedEvent, PortError, Rejected, Unavailable, Unknown

_PLAIN = re.compile(r"[A-Za-z0-9_\[\].-]{1,80}")
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_REFUSALS = (
    stripe.CardError,
    stripe.InvalidRequestError,
    stripe.AuthenticationError,
    stripe.PermissionError,
    stripe.IdempotencyError,
)


@contextmanager
def translated(*, mutating: bool) -> Iterator[None]:
    """Turn the SDK's errors into ours; ``mutating`` says whether the call could have changed something.

    Raises:
        Unavailable, Rejected, Unknown: as the port says.
    """
    try:
        yield
    except stripe.StripeError as error:
        raise _meaning(error, mutating=mutating) from None
    except (MalformedEvent, AttributeError, LookupError, TypeError, ValueError) as error:  # JSON, but not Stripe's
        raise _lost("an answer that is not understandable", mutating=mutating) from error


def _meaning(error: stripe.StripeError, *, mutating: bool) -> PortError:
    status = error.http_status
    if isinstance(error, stripe.RateLimitError):
        return Unavailable(_sentence("asks for patience", error), retry_after=retry_after(error.headers or {}))
    if isinstance(error, _REFUSALS):
        return Rejected(_sentence("refused", error))
    if isinstance(error, stripe.APIConnectionError):
        if isinstance(error.__cause__, _NEVER_SENT):
            return Unavailable("Stripe cannot be reached")
        return _lost(f"no complete answer ({type(error.__cause__).__name__})", mutating=mutating)
    if status == 409:  # the same idempotency key is being worked on right now
        return Unavailable(
            _sentence("is still busy with the first attempt", error), retry_after=retry_after(error.headers or {})
        )
    if status is not None and 400 <= status < 500:
        return Rejected(_sentence("refused", error))
    return _lost(f"status {status}", mutating=mutating, after=retry_after(error.headers or {}))


def _lost(what: str, *, mutating: bool, after: float | None = None) -> PortError:
    return (Unknown if mutating else Unavailable)(f"Stripe gave {what}", retry_after=after)


def _sentence(verb: str, error: stripe.StripeError) -> str:
    known = {
        "status": error.http_status,
        "code": error.code,
        "param": getattr(error, "param", None),
        "request": error.request_id,
    }
    shown = [f"{name} {value}" for name, value in known.items() if value and _PLAIN.fullmatch(str(value))]
    return f"Stripe {verb} ({', '.join([type(error).__name__, *shown])})"
