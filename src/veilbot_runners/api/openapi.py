"""OpenAPI 3.1: what every route says about itself."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any, TypedDict

from litestar import Response, Router
from litestar.enums import MediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.openapi.spec.enums import OpenAPIType

from veilbot_core.domain.errors import NotFound
from veilbot_runners.api.docs import CSP, DocsPage
from veilbot_runners.api.errors import MEDIA_TYPE, Problem

_SAID = {
    400: "Something in the request is not valid; `errors` names the fields.",
    401: "The API key is missing, wrong, expired or revoked.",
    403: "The API key lacks the scope.",
    404: "There is no such thing.",
    409: "The present state does not allow it; `code` says why.",
    410: "It has ended.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not called JSON: `Content-Type: application/json`.",
    429: "Too many requests; `Retry-After` says when to come again.",
    500: "A fault of ours; `request_id` finds it in the logs.",
    502: "A VPN server, a payment provider or the database refused; a person must act.",
    503: "Something that is needed does not answer; ask again later.",
}
_EVERYWHERE = (400, 404, 413, 500, 502, 503)
_BEHIND_THE_GATE = (401, 403, 429)
_BEARER = "ApiKey"
_ABOUT = """\
Sells VPN access and runs the servers behind it.

Every request under `/api/v1` carries an API key: `Authorization: Bearer vb_...`. Lists answer
`{"items": [...], "next": "..."}`; give `next` as `after` to go on. Money is whole minor units and a currency, times
are RFC 3339 in UTC, ids are strings. Errors are problem details (RFC 9457) with a stable `code`.
A POST with an `Idempotency-Key` happens once, however often it is sent within a day.
"""


class _Described(TypedDict):
    """Keyword arguments of a Litestar route decorator."""

    opt: dict[str, Any]
    security: list[dict[str, list[str]]]
    responses: dict[int, ResponseSpec]
    operation_class: type[Operation]


@dataclass
class _Post(Operation):
    """An operation that may carry an idempotency key."""

    def __post_init__(self) -> None:
        """Name the header, which the gate reads and no handler sees."""
        header = Parameter(
            name="Idempotency-Key",
            param_in="header",
            description="1 to 255 printable characters; the same request sent again under it gets the same answer.",
            schema=Schema(type=OpenAPIType.STRING, min_length=1, max_length=255, pattern="^[ -~]+$"),
            required=False,
            example="6f1c7c52-order-42",
        )
        self.parameters = [*(self.parameters or []), header]


@dataclass
class ForMany(Operation):
    """An operation that answers each app in its own form and a browser with a page."""

    def __post_init__(self) -> None:
        """Add what the handler's type does not say."""
        for status, answer in (self.responses or {}).items():
            if isinstance(answer, OpenAPIResponse) and answer.content is not None:
                answer.content["text/html"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
                if status == "200":
                    answer.content["application/yaml"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
                    answer.content["application/json"] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))


@dataclass
class Signed(Operation):
    """An operation that takes raw bytes, which their sender signed."""

    def __post_init__(self) -> None:
        """Describe the body, which is verified before it is read."""
        content = {"application/json": OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))}
        self.request_body = RequestBody(content=content, description="As the sender defines it.", required=True)


def header(name: str, description: str) -> Parameter:
    """Describe a header that no handler takes as a parameter."""
    return Parameter(
        name=name, param_in="header", description=description, schema=Schema(type=OpenAPIType.STRING), required=False
    )


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Describe error answers, beside those that every route has."""
    return {
        status: ResponseSpec(
            data_container=Problem, generate_examples=False, description=_SAID[status], media_type=MEDIA_TYPE
        )
        for status in sorted({*_EVERYWHERE, *statuses})
    }


def needs(scope: str, *statuses: int, shown_once: str | None = None) -> _Described:
    """Describe a route behind the gate that asks for ``scope``; the gate reads the same from its ``opt``."""
    return {
        "opt": {"scope": scope, "shown_once": shown_once},
        "security": [{_BEARER: [scope]}],
        "responses": problems(*_BEHIND_THE_GATE, *statuses),
        "operation_class": Operation,
    }


def changes(scope: str, *statuses: int, shown_once: str | None = None) -> _Described:
    """Describe a POST behind the gate."""
    return needs(scope, 409, 415, *statuses, shown_once=shown_once) | {"operation_class": _Post}


def _tidy(response: Response[Any]) -> Response[Any]:
    """Answer like everywhere else where Litestar would with a page of its own; let our page have its style."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise NotFound
    if response.media_type == MediaType.HTML:
        response.headers["Content-Security-Policy"] = CSP
    return response


_TAGS = (
    Tag(name="users", description="Customers."),
    Tag(name="billing", description="Tariffs, orders and payments."),
    Tag(name="vpn", description="Servers, subscriptions and keys."),
    Tag(name="admin", description="API keys and work that waits for a person."),
    Tag(name="webhooks", description="Where providers and Telegram report."),
    Tag(name="links", description="What customers open."),
    Tag(name="health", description="For monitors."),
)


def _never(path: str, method: str, operation: Mapping[str, Any]) -> set[int]:
    """Return the errors that an operation cannot answer, of those that are described for every one."""
    if method != "get":
        return set()
    never = {413} if "{" in path else {404, 413}
    if not operation.get("parameters"):
        never |= {400}
    return never if operation.get("parameters") or operation.get("security") else never | {502}


class _Document(OpenAPI):
    """The document with names that a client's generator can use: ``UserPage``, not a path through our modules.

    It says of every body what `StrictRequest` does: a field that it lacks is an error.
    """

    def to_schema(self) -> dict[str, Any]:
        """Return the document as JSON takes it."""
        text = json.dumps(super().to_schema())
        named: dict[str, Any] = json.loads(re.sub(r'\bPage_[\w.]*\.(\w+?)View_(?=")', r"\1Page", text))
        for path, item in named["paths"].items():
            for method, operation in item.items():
                for status in _never(path, method, operation):
                    operation["responses"].pop(str(status), None)
        bodies = json.dumps([one.get("requestBody") for path in named["paths"].values() for one in path.values()])
        for name in set(re.findall(r'"#/components/schemas/(\w+)"', bodies)):
            named["components"]["schemas"][name]["additionalProperties"] = False
        return named


class _Config(OpenAPIConfig):
    """Makes documents of that kind."""

    def to_openapi_schema(self) -> OpenAPI:
        """Return the empty document, which Litestar fills."""
        empty = super().to_openapi_schema()
        return _Document(**{field.name: getattr(empty, field.name) for field in fields(OpenAPI)})


def config(version: str, *, modules: Collection[str], docs: bool) -> OpenAPIConfig:
    """Return what Litestar needs to make the document, at ``/schema/openapi.json``, with a page beside it."""
    plugins: list[OpenAPIRenderPlugin] = [JsonRenderPlugin(media_type="application/json")]  # type: ignore[arg-type]
    return _Config(
        title="VeilBot",
        version=version,
        description=_ABOUT,
        path="/schema",
        render_plugins=[DocsPage(), *plugins] if docs else plugins,
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, after_request=_tidy),
        components=Components(
            security_schemes={
                _BEARER: SecurityScheme(
                    type="http",
                    scheme="bearer",
                    bearer_format="vb_...",
                    description="An API key; each operation names the scope that it needs. Write includes read.",
                )
            }
        ),
        tags=[tag for tag in _TAGS if tag.name in {"health", *modules}],
        use_handler_docstrings=True,
    )
