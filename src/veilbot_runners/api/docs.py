"""The API's documentation as one plain page, made from the OpenAPI document; it loads nothing."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from litestar import Request
from litestar.enums import MediaType
from litestar.openapi.plugins import OpenAPIRenderPlugin

_STYLE = (files("veilbot_runners.api") / "docs.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CSP = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
Node = Mapping[str, Any]


class DocsPage(OpenAPIRenderPlugin):
    """Draws the document at ``/schema``."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)

    def render(self, _: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Draw the whole document."""
        return draw(openapi_schema).encode()


def draw(document: Node) -> str:
    """Return the page."""
    info = document["info"]
    operations = [
        (operation["tags"][0] if operation.get("tags") else "", path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    sections = []
    for tag in document.get("tags", []):
        mine = [_operation(document, path, method, op) for name, path, method, op in operations if name == tag["name"]]
        if mine:
            sections.append(
                f"<h2 id={tag['name']}>{tag['name']}</h2><p>{escape(tag['description'])}</p>{''.join(mine)}"
            )
    about = "".join(f"<p>{_marked(part)}</p>" for part in info["description"].split("\n\n"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{info["title"]} API</title><style>{_STYLE}</style></head><body><main>'
        f"<h1>{info['title']} API <small>{info['version']}</small></h1>{about}"
        '<p>The same for machines: <a href="/schema/openapi.json">OpenAPI 3.1</a></p>'
        f"{''.join(sections)}</main></body></html>"
    )


def _operation(document: Node, path: str, method: str, operation: Node) -> str:
    scopes = [scope for need in operation.get("security") or [] for names in need.values() for scope in names]
    needs = f"<p>Scope: <code>{escape(', '.join(scopes))}</code></p>" if scopes else ""
    parameters = [
        _row(p["name"], p["in"], p.get("schema", {}), p.get("description", ""), required=p.get("required", False))
        for p in operation.get("parameters") or []
    ]
    body = [row for content in _contents(operation.get("requestBody")) for row in _fields(document, content)]
    answers = "".join(
        f"<li><code>{status}</code> {_marked(answer.get('description', ''))}</li>"
        for status, answer in sorted(operation["responses"].items())
    )
    shown = [row for content in _contents(_success(operation)) for row in _fields(document, content)]
    return (
        f"<details><summary><b class={method}>{method.upper()}</b> <code>{escape(path)}</code> "
        f"{escape(operation.get('summary', ''))}</summary><p>{_marked(operation.get('description') or '')}</p>{needs}"
        f"{_table('Parameters', parameters)}{_table('Body', body)}{_table('Answer', shown)}<ul>{answers}</ul></details>"
    )


def _success(operation: Node) -> Node:
    found: Node = next((answer for status, answer in operation["responses"].items() if status < "3"), {})
    return found


def _contents(holder: Node | None) -> Iterator[Node]:
    for content in ((holder or {}).get("content") or {}).values():
        yield content.get("schema") or {}


def _fields(document: Node, schema: Node) -> Iterator[str]:
    """Yield a row per field of an object; what is nested is named by its type."""
    for choice in [schema, *schema.get("oneOf", []), *schema.get("anyOf", [])]:
        found = _resolve(document, choice)
        for name, field in (found.get("properties") or {}).items():
            required = name in found.get("required", [])
            yield _row(name, "", field, field.get("description", ""), required=required)


def _resolve(document: Node, schema: Node) -> Node:
    if "$ref" not in schema:
        return schema
    found: Node = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def _row(name: str, place: str, schema: Node, description: str, *, required: bool) -> str:
    mark = "" if required else " <i>optional</i>"
    return (
        f"<tr><td><code>{escape(name)}</code>{mark}</td><td>{escape(place)} {escape(_kind(schema))}</td>"
        f"<td>{_marked(description)}</td></tr>"
    )


def _kind(schema: Node) -> str:
    """Name a schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if choices := [*schema.get("oneOf", []), *schema.get("anyOf", [])]:
        return " or ".join(_kind(choice) for choice in choices)
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_kind(schema.get('items') or {})}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _table(title: str, rows: list[str]) -> str:
    return f"<h3>{title}</h3><table>{''.join(rows)}</table>" if rows else ""


def _marked(text: str) -> str:
    """Escape a text, with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
