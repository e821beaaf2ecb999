"""Errors as HTTP answers: one status per class of error, always problem details (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPMethod, HTTPStatus
from types import MappingProxyType
from typing import Annotated, Any

import structlog
from litestar import Litestar, Request, Response
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    ValidationException,
)
from msgspec import Meta, Struct

from veilbot_core.domain import errors as core
from veilbot_runners.api.load import Overloaded

_LOG = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
_GONE = "client disconnected prematurely"
"""What Litestar says of a body whose sender went away (``litestar/connection/request.py``); no fault of ours."""

STATUS: Mapping[type[core.VeilbotError], int] = MappingProxyType(
    {
        core.VeilbotError: 500,
        core.InvalidInput: 400,
        core.NotFound: 404,
        core.Conflict: 409,
        core.AlreadyExists: 409,
        core.InvalidTransition: 409,
        core.LeaseLost: 409,
        core.Refused: 403,
        core.Unauthorized: 401,
        core.Forbidden: 403,
        core.RateLimited: 429,
        core.UserBlocked: 409,
        core.NetworkInsideTransaction: 500,
        core.PaymentError: 409,
        core.GatewayOff: 409,
        core.InvalidSignature: 400,
        core.MalformedEvent: 400,
        core.TariffUnavailable: 409,
        core.VpnError: 409,
        core.ProtocolOff: 409,
        core.NoCapacity: 409,
        core.PortError: 502,
        core.Unavailable: 503,
        core.Rejected: 502,
        core.Unknown: 503,
    }
)
"""HTTP status of every class in the core's tree; a test proves that none is missing."""

_CODES = {
    400: "invalid_input",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "unavailable",
}


class FieldError(Struct, frozen=True):
    """What is wrong with one field."""

    field: Annotated[str, Meta(description="Name of the field; a dot leads into an object.", examples=["days"])]
    message: Annotated[str, Meta(examples=["Expected `int`, got `str`"])]


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem details (RFC 9457)."""

    title: Annotated[str, Meta(description="The status in words.", examples=["Bad Request"])]
    status: Annotated[int, Meta(examples=[400])]
    code: Annotated[str, Meta(description="Stable name of the kind of error.", examples=["invalid_input"])]
    detail: Annotated[str, Meta(description="A sentence for people.", examples=["days are 1 to 36500"])] = ""
    request_id: Annotated[str, Meta(description="Quote it when you ask for help; it is in the logs.")] = ""
    errors: Annotated[list[FieldError], Meta(description="The fields that are wrong.")] = []


def problem(
    request: Request[Any, Any, Any],
    status: int,
    *,
    code: str | None = None,
    detail: str = "",
    errors: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[Problem]:
    """Make an error answer."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code or _CODES.get(status, "internal_error" if status >= 500 else "invalid_input"),
        detail=detail,
        request_id=request.scope["state"].get("request_id", ""),
        errors=errors or [],
    )
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _refused(request: Request[Any, Any, Any], error: core.VeilbotError) -> Response[Problem]:
    """Answer with an error of the core."""
    status = status_of(error)
    if status >= 500 and not isinstance(error, Overloaded):  # a line for each would be more of it
        _LOG.warning("request failed", route=_route(request), status=status, code=error.code, error=error.message)
    if status == 500:
        return problem(request, 500)
    headers = {"Retry-After": str(max(1, round(error.retry_after)))} if error.retry_after else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    errors = [FieldError(error.field, error.message)] if error.field else []
    return problem(request, status, code=error.code, detail=error.message, errors=errors, headers=headers)


def status_of(error: core.VeilbotError) -> int:
    """Return the HTTP status of an error; a class that a foreign tool derived counts as the class it derives from."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def _invalid(request: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    """Answer that parameters are not valid, naming each."""
    found = error.extra if isinstance(error.extra, list) else []
    errors = [FieldError(str(one.get("key", "")), str(one.get("message", ""))) for one in found]
    if errors == [FieldError("data", "'data'")]:  # what Litestar says to an empty body
        errors = [FieldError("body", "the body is missing; it is a JSON object")]
    return problem(request, 400, detail="The request is not valid.", errors=errors)


def _http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Answer with an error that the framework found."""
    if isinstance(error, InternalServerException) and error.detail == _GONE:
        return problem(request, 400, detail="The body did not come.")
    headers = dict(error.headers or {})
    if isinstance(error, MethodNotAllowedException) and "Allow" not in headers:
        # Litestar's own is "allow", and lacks HEAD
        headers = {"Allow": ", ".join(methods(request.app, request.scope["path"]))}
    if error.status_code >= 500:
        return _broken(request, error)
    detail = error.detail if error.status_code not in {404, 405} else ""
    return problem(request, error.status_code, detail=detail, headers=headers)


def methods(app: Litestar, path: str) -> list[str]:
    """Return the methods that a path does know (RFC 9110, section 15.5.6 asks for them)."""
    known = []
    for method in HTTPMethod:
        try:
            app.asgi_router.handle_routing(path=path, method=method.value)
        except HTTPException:
            continue
        known.append(method.value)
    return sorted({*known, "HEAD"} if "GET" in known else known)


def _too_large(request: Request[Any, Any, Any], _: OverflowError) -> Response[Problem]:
    """Answer that a number leads beyond what a date or the database can hold."""
    return problem(request, 400, detail="A number is too large.")


def _broken(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Answer a fault of ours: nothing about it but the id under which it is logged."""
    _LOG.error("request broke", route=_route(request), exc_info=error)
    return problem(request, 500, detail="Something broke on our side; the request id finds it in the logs.")


def _route(request: Request[Any, Any, Any]) -> str:
    """Return which route was asked for; its template, as a path may hold a secret."""
    return f"{request.scope.get('method')} {request.scope.get('path_template', '')}"


HANDLERS: Mapping[int | type[Exception], Any] = MappingProxyType(
    {
        core.VeilbotError: _refused,
        ValidationException: _invalid,
        HTTPException: _http,
        OverflowError: _too_large,
        Exception: _broken,
    }
)
"""Exception handlers for Litestar."""
