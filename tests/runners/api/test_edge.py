"""What every answer has, and every error."""

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import httpx
import pytest
import structlog
from tests.runners.api.world import World, open_world

from veilbot_core.domain import errors as core
from veilbot_runners.api import MODULES, build_api
from veilbot_runners.api.errors import STATUS, status_of


def _tree(kind: type[core.VeilbotError]) -> set[type[core.VeilbotError]]:
    return {kind}.union(*(_tree(child) for child in kind.__subclasses__() if child.__module__ == core.__name__))


def test_every_error_of_the_core_has_a_status() -> None:
    assert set(STATUS) == _tree(core.VeilbotError)


def test_an_error_from_elsewhere_counts_as_what_it_derives_from() -> None:
    class Stolen(core.Forbidden):
        """Made by another tool."""

    assert status_of(Stolen()) == 403


async def test_unknown_routes_and_methods_are_problems(world: World) -> None:
    for method, path, status, code in (
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/api/v1/users/5", 404, "not_found"),
        ("GET", "/schema/nothing", 404, "not_found"),
        ("DELETE", "/api/v1/users", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("GET", "/webhooks/stripe", 405, "method_not_allowed"),
        ("BREW", "/healthz", 405, "method_not_allowed"),
    ):
        answer = await world.call(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
        body = answer.json()
        assert (body["code"], body["status"]) == (code, status)
    assert (await world.call("PUT", "/webhooks/stripe")).headers["allow"] == "POST"
    assert set((await world.call("PUT", "/api/v1/users")).headers["allow"].split(", ")) == {
        "GET",
        "HEAD",
        "OPTIONS",
        "POST",
    }


async def test_a_caller_who_goes_away_in_the_middle_of_a_body_is_no_fault_of_ours(world: World) -> None:
    """Nobody reads the answer; the log is what counts."""
    headers = [*(await world.key("users:write")).items(), ("content-type", "application/json"), ("content-length", "9")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "query_string": b"",
        "method": "POST",
        "path": "/api/v1/users",
        "raw_path": b"/api/v1/users",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
        "client": ("127.0.0.1", 1),
        "server": ("shop.test", 80),
    }
    heard, said = iter([{"type": "http.request", "body": b"{", "more_body": True}]), list[Any]()

    async def hear() -> dict[str, Any]:
        return next(heard, {"type": "http.disconnect"})

    async def say(message: Any) -> None:
        said.append(message)

    transport: Any = world.http._transport
    with structlog.testing.capture_logs() as logs:
        await transport.app(scope, hear, say)
    assert said[0]["status"] == 400
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/users", "/schema", "/schema/openapi.json", "/s/nothing", "/no"])
async def test_whatever_can_be_got_has_a_head(world: World, path: str) -> None:
    got = await world.http.get(path, headers=world.admin)
    head = await world.http.head(path, headers=world.admin)
    assert (head.status_code, head.content) == (got.status_code, b"")
    for name in ("content-type", "content-length", "content-security-policy"):
        assert head.headers[name] == got.headers[name]


async def test_what_can_only_be_posted_has_no_head(world: World) -> None:
    answer = await world.http.head("/webhooks/stripe")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


async def test_options_tell_all_methods(world: World) -> None:
    for path, known in (("/api/v1/users", "GET, HEAD, OPTIONS, POST"), ("/healthz", "GET, HEAD, OPTIONS")):
        answer = await world.http.options(path, headers=world.admin)
        assert (answer.status_code, answer.headers.get_list("allow")) == (204, [known])


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_a_body_that_is_called_something_else_is_refused(world: World, kind: str) -> None:
    body = b'{"name": "Ann"}'
    answer = await world.post("/api/v1/users", 415, content=body, headers={"Content-Type": kind})
    assert answer["code"] == "unsupported_media_type"
    for fine in ("application/json", "Application/JSON; charset=utf-8", "application/vnd.shop+json"):
        await world.post("/api/v1/users", 201, content=body, headers={"Content-Type": fine})


async def test_a_missing_body_is_named(world: World) -> None:
    [error] = (await world.post("/api/v1/users", 400))["errors"]
    assert error == {"field": "body", "message": "the body is missing; it is a JSON object"}


async def test_security_headers_are_everywhere(world: World) -> None:
    for path in ("/healthz", "/nowhere", "/api/v1/users", "/schema", "/schema/openapi.json", "/s/nothing"):
        headers = (await world.http.get(path)).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers


async def test_a_shop_behind_https_says_so(world: World) -> None:
    policy = replace(world.application.policy, public_url="https://shop.test")
    api: Any = build_api(replace(world.application, policy=policy))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="https://shop.test") as http:
        assert "strict-transport-security" in (await http.get("/healthz")).headers


async def test_a_sane_request_id_is_kept(world: World) -> None:
    for given, kept in (("order-42.a_b", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("a\x7f", False)):
        answer = await world.call("GET", "/nowhere", headers={"X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) is kept
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_a_fault_of_ours_says_nothing_but_its_id(world: World) -> None:
    world.storage.fail_next(ZeroDivisionError("the secret detail"))
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
        answer = await world.call("GET", "/api/v1/users")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    [event] = [event for event in logs if event["log_level"] == "error"]
    assert event["request_id"] == answer.json()["request_id"]
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize("body", [b"x" * ((1 << 20) + 1), b" " * (1 << 21)])
async def test_a_body_beyond_a_mebibyte_is_refused(world: World, body: bytes) -> None:
    assert (await world.post("/api/v1/users", 413, content=body))["code"] == "too_large"
    assert (await world.post("/webhooks/stripe", 413, content=body))["code"] == "too_large"
    assert (await world.post("/webhooks/telegram", 413, content=body))["code"] == "too_large"
    await world.post("/api/v1/users", 413, content=body, headers={"Idempotency-Key": "large"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "A", "telegram_id": 1e400}',
        b'{"name": "A", "telegram_id": 9999999999999999999999}',
        b'{"name":' * 60_000,
        b"[" * 200_000,
        b'{"name": "A", "telegram_id": ' + b"[" * 200_000,
    ],
)
async def test_a_body_that_is_no_json_of_ours_is_refused(world: World, body: bytes) -> None:
    assert (await world.post("/api/v1/users", 400, content=body))["code"] == "invalid_input"


async def test_the_types_of_a_body_are_not_guessed(world: World) -> None:
    for body in ({"name": 5}, {"name": "A", "telegram_id": "5"}, {"name": "A", "telegram_id": True}, {"name": None}):
        [error] = (await world.post("/api/v1/users", 400, json=body))["errors"]
        assert error["field"] == list(body)[-1]


SUBSETS = [(), *combinations(MODULES, 1), *combinations(MODULES, 2), MODULES]
OWN = {"links": {"s", "paid", "canceled"}}
ASKED = {
    "users": ("GET", "/api/v1/users", 200),
    "billing": ("GET", "/api/v1/billing/orders", 200),
    "vpn": ("GET", "/api/v1/vpn/keys", 200),
    "admin": ("GET", "/api/v1/admin/api-keys", 200),
    "webhooks": ("POST", "/webhooks/stripe", 400),
    "links": ("GET", "/paid", 200),
}
"""What each module answers; 404 is what the others say."""


@pytest.mark.parametrize("modules", SUBSETS, ids="+".join)
async def test_any_modules_can_be_served_and_nothing_else_is(modules: tuple[str, ...]) -> None:
    async with open_world(modules=modules) as world:
        document = (await world.http.get("/schema/openapi.json")).json()
        prefixes = {path.split("/")[3] if path.startswith("/api") else path.split("/")[1] for path in document["paths"]}
        assert prefixes == {"healthz", "readyz"}.union(*(OWN.get(module, {module}) for module in modules))
        assert {tag["name"] for tag in document["tags"]} == {"health", *modules}
        for module, (method, path, status) in ASKED.items():
            answer = await world.http.request(method, path, headers=world.admin)
            assert answer.status_code == (status if module in modules else 404), path
        for path in ("/healthz", "/readyz"):
            assert (await world.http.get(path)).status_code == 200


def test_an_unknown_module_or_network_is_refused(world: World) -> None:
    with pytest.raises(core.InvalidInput, match="'shop'"):
        build_api(world.application, modules=["users", "shop"])
    with pytest.raises(core.InvalidInput, match="trusted proxy"):
        build_api(world.application, trusted_proxies=["here"])


async def test_health_asks_nobody_and_readiness_asks_the_database(world: World) -> None:
    world.storage.go_down(60)
    assert await world.get("/healthz") == {"status": "ok"}
    assert (await world.get("/readyz", 503))["code"] == "unavailable"
    await world.clock.advance(60)
    assert await world.get("/readyz") == {"status": "ready"}
    world.storage.fail_next(core.Rejected("the schema is older"))
    assert "schema" in (await world.get("/readyz", 503))["detail"]


async def test_the_document_is_complete(world: World) -> None:
    content = world.document.content
    assert content["openapi"].startswith("3.1")
    assert content["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    ids = [operation["operationId"] for _, _, operation in world.document.operations()]
    assert len(ids) == len(set(ids)) == 45
    for method, path, operation in world.document.operations():
        assert operation["summary"], path
        assert operation["description"], path
        named = {p["name"]: p["in"] for p in operation.get("parameters", [])}
        assert {part[1:-1] for part in path.split("/") if part.startswith("{")} == {
            n for n, i in named.items() if i == "path"
        }
        if method == "POST" and path.startswith("/api"):
            assert named["Idempotency-Key"] == "header", path
        for status, answer in operation["responses"].items():
            assert answer["description"], path
            if status >= "4":
                assert "application/problem+json" in answer["content"], path
    assert "$defs" not in json.dumps(content)
    assert all(name.isidentifier() and "_" not in name for name in content["components"]["schemas"])
    refs = {part.split('"')[0] for part in json.dumps(content).split("#/components/schemas/")[1:]}
    assert refs <= set(content["components"]["schemas"])


async def test_an_operation_lists_no_error_that_it_cannot_answer(world: World) -> None:
    paths = (await world.http.get("/schema/openapi.json")).json()["paths"]
    for path in ("/healthz", "/readyz", "/paid", "/canceled"):
        assert sorted(paths[path]["get"]["responses"]) == ["200", "500", "503"], path
    for path, item in paths.items():
        listed = set(item.get("get", {"responses": ()})["responses"])
        assert "413" not in listed, path
        assert "404" not in listed or "{" in path, path
    assert {"404", "413"} <= set(paths["/webhooks/{provider}"]["post"]["responses"])


async def test_the_documentation_page_loads_nothing(world: World) -> None:
    page = await world.http.get("/schema")
    assert page.status_code == 200
    assert "/api/v1/vpn/servers/{server_id}/drain" in page.text
    assert not any(loader in page.text for loader in ("src=", "<script", "@import", "url(", "<link"))
    async with open_world(debug_docs=False) as quiet:
        answer: httpx.Response = await quiet.http.get("/schema")
        assert answer.headers["content-type"] == "application/json"
        document: Any = (await quiet.http.get("/schema/openapi.json")).json()
        assert document["info"]["title"] == "VeilBot"
