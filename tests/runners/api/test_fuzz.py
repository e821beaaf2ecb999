"""Paths and headers that no document describes: no answer is a fault of ours."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runners.api.world import GENEROUS, NOWHERE, World, open_world

_EFFORT = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
_TEXT = st.one_of(
    st.text(max_size=20), st.sampled_from(["\x00", "A" * 300, "USD", "outline", "stripe", "ru", "vpn:read", NOWHERE])
)


@pytest.fixture(scope="module")
async def target() -> AsyncIterator[World]:
    """A shop with one of everything, that counts no requests."""
    async with open_world(rate=GENEROUS) as world:
        await world.bought()
        yield world


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
