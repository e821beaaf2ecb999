"""Whatever comes in, no answer is a fault of ours, and each is one that the document knows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runners.api.world import GENEROUS, NOWHERE, World, open_world

_EFFORT = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
_TEXT = st.one_of(
    st.text(max_size=20), st.sampled_from(["\x00", "A" * 300, "USD", "outline", "stripe", "ru", "vpn:read", NOWHERE])
)
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_NUMBERS = st.one_of(st.integers(), _FINITE, st.sampled_from([0, 1, 30, 2**31, 2**53, 2**63, 2**64, 10**40, -1]))
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    [
        "name",
        "telegram_id",
        "language",
        "days",
        "prices",
        "protocols",
        "groups",
        "trial",
        "user_id",
        "tariff_id",
        "provider",
        "currency",
        "country",
        "amount",
        "endpoint",
        "protocol",
        "capacity",
        "weight",
        "access",
        "group",
        "probe",
        "dry_run",
        "scopes",
        "x",
    ]
)
_BYTES = st.one_of(st.binary(max_size=40), st.sampled_from([b"[" * 5000, b'{"a":' * 5000, b'{"name":"\xed\xa0\x80"}']))


@pytest.fixture(scope="module")
async def target() -> AsyncIterator[World]:
    """A shop with one of everything, that counts no requests."""
    async with open_world(rate=GENEROUS) as world:
        await world.bought()
        yield world


def _paths(world: World) -> list[tuple[str, str]]:
    return [(method, path) for method, path, _ in world.document.operations()]


async def _known(world: World, path: str) -> str:
    """Fill a template with ids of what is there."""
    ids = {}
    for name, where in (("user", "users"), ("order", "billing/orders"), ("server", "vpn/servers")):
        ids[f"{{{name}_id}}"] = (await world.get(f"/api/v1/{where}"))["items"][0]["id"]
    for name, found in ids.items():
        path = path.replace(name, found)
    return "/".join(NOWHERE if part.startswith("{") else part for part in path.split("/"))


@_EFFORT
@given(data=st.data())
async def test_bodies(target: World, data: Any) -> None:
    """Objects of our fields with any values, and any bytes, on every route that takes a body."""
    posts = [path for method, path in _paths(target) if method == "POST"]
    path = await _known(target, data.draw(st.sampled_from(posts)))
    if data.draw(st.booleans()):
        answer = await target.call("POST", path, json=data.draw(st.dictionaries(_NAMES, _JSON, max_size=8)))
    else:
        answer = await target.call("POST", path, content=data.draw(_BYTES))
    assert answer.status_code != 500, (path, answer.text)


@_EFFORT
@given(data=st.data())
async def test_parameters(target: World, data: Any) -> None:
    """Any values in known parameters, several times over, on every list."""
    gets = [path for method, path in _paths(target) if method == "GET"]
    path = await _known(target, data.draw(st.sampled_from(gets)))
    names = st.sampled_from(["limit", "after", "user_id", "status", "x", "\x00"])
    values = st.one_of(_TEXT, _NUMBERS.map(str), st.binary(max_size=24).map(quote_from_bytes))
    answer = await target.call("GET", path, params=data.draw(st.lists(st.tuples(names, values), max_size=5)))
    assert answer.status_code != 500, (path, answer.text)


@_EFFORT
@given(path=st.lists(st.one_of(_TEXT, st.sampled_from(["api", "v1", "users", "s", "webhooks", ".."])), max_size=6))
async def test_paths(target: World, path: list[str]) -> None:
    """Any path, with any bytes in it."""
    raw = "http://shop.test/" + "/".join(
        quote_from_bytes(part.encode("utf-8", "surrogatepass"), safe="") for part in path
    )
    for method in ("GET", "POST", "PATCH"):
        answer = await target.http.request(method, raw, headers=target.admin)
        assert answer.status_code < 500, (raw, answer.text)


@_EFFORT
@given(
    name=st.sampled_from(
        [
            "authorization",
            "idempotency-key",
            "x-request-id",
            "x-forwarded-for",
            "accept",
            "accept-language",
            "content-type",
            "cookie",
            "content-length",
            "host",
            "ratelimit",
            "stripe-signature",
            "x-telegram-bot-api-secret-token",
        ]
    ),
    value=st.binary(max_size=60),
    route=st.sampled_from(
        [("GET", "/s/" + "x" * 22), ("POST", "/api/v1/users"), ("POST", "/webhooks/stripe"), ("GET", "/healthz")]
    ),
)
async def test_headers(target: World, name: str, value: bytes, route: tuple[str, str]) -> None:
    """Any bytes in the headers that somebody reads, also twice."""
    headers = [(key.encode(), text.encode()) for key, text in target.admin.items() if key.lower() != name]
    headers += [(name.encode(), value), (name.encode(), value[::-1])]
    answer = await target.http.request(*route, headers=headers, content=b'{"name": "Ann"}')
    assert answer.status_code < 500, answer.text


async def test_a_hundred_at_once(target: World) -> None:
    """Good and bad requests side by side."""
    good = [target.call("GET", "/api/v1/users") for _ in range(50)]
    bad = [target.call("POST", "/api/v1/users", content=b"{") for _ in range(50)]
    assert {answer.status_code for answer in await asyncio.gather(*good, *bad)} == {200, 400}
