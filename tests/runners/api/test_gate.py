"""Who may ask, how often, and twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.runners.api.world import GENEROUS, NOWHERE, World, open_world

from veilbot_core.domain.errors import Unavailable
from veilbot_runners.api import Rate, build_api


def _gated(world: World) -> list[tuple[str, str, str]]:
    """Every route behind the gate, with its scope."""
    found = []
    for method, path, operation in world.document.operations():
        if path.startswith("/api/v1"):
            [[scope]] = [names for need in operation["security"] for names in need.values()]
            found.append((method, path.replace("{", "").replace("}", ""), scope))
    return found


def _real(path: str) -> str:
    return "/".join(NOWHERE if part.endswith("_id") else part for part in path.split("/"))


@pytest.fixture
async def patient() -> AsyncIterator[World]:
    """A shop that counts no requests."""
    async with open_world(rate=GENEROUS) as opened:
        yield opened


async def test_every_route_asks_for_a_key_and_its_scope(patient: World) -> None:
    world = patient
    routes = _gated(world)
    assert len(routes) == 39
    everything = {f"{module}:{right}" for module in ("users", "billing", "vpn", "admin") for right in ("read", "write")}
    assert {scope for _, _, scope in routes} == everything
    others = {}
    for scope in everything:
        module, _, right = scope.partition(":")
        lacking = {s for s in everything if not s.startswith(module)} | (
            {f"{module}:read"} if right == "write" else set()
        )
        others[scope] = await world.key(*lacking)
    for method, path, scope in routes:
        bare = await world.http.request(method, _real(path))
        world.document.check(bare)
        assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer"), path
        refused = await world.call(method, _real(path), headers=others[scope])
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), path
        served = await world.call(method, _real(path), headers=await world.key(scope))
        assert served.status_code not in {401, 403}, path


async def test_options_needs_a_key_and_no_scope(world: World) -> None:
    path = "/api/v1/users"
    assert (await world.http.options(path)).status_code == 401
    answer = await world.http.options(path, headers=await world.key("vpn:read"))
    assert answer.status_code == 204
    assert "GET" in answer.headers["allow"]


async def test_all_bad_keys_are_answered_the_same(world: World) -> None:
    gone = await world.key("users:read", days=1)
    await world.clock.advance(86400)
    bad = ["", "Bearer", "Bearer ", "Bearer vb_guess", "Basic abc", f"Bearer {'x' * 500}", "Bearer \x80"]
    answers = set()
    for header in [{"Authorization": text.encode("latin-1")} for text in bad] + [gone]:
        answer = await world.http.get("/api/v1/users", headers=header)  # type: ignore[arg-type]
        body = answer.json()
        assert body.pop("request_id")
        answers.add((answer.status_code, str(body), answer.headers["content-type"]))
    assert len(answers) == 1


async def test_an_address_that_guesses_is_slowed_down() -> None:
    async with open_world(rate=Rate(failures=3)) as world:
        good = dict(world.admin)
        statuses = []
        for _ in range(5):
            answer = await world.call("GET", "/api/v1/users", headers={"Authorization": "Bearer vb_guess"})
            statuses.append(answer.status_code)
        assert statuses == [401, 401, 401, 429, 429]
        assert answer.headers["retry-after"] == "60"
        await world.get("/api/v1/users", headers=good)
        await world.clock.advance(60)
        await world.get("/api/v1/users", 401, headers={"Authorization": "Bearer vb_guess"})


async def test_a_key_that_asks_too_often_waits() -> None:
    async with open_world(rate=Rate(key=2, seconds=10.0)) as world:
        first = await world.call("GET", "/api/v1/users")
        assert first.headers["ratelimit-policy"] == '"default";q=2;w=10'
        assert first.headers["ratelimit"] == '"default";r=1'
        await world.get("/api/v1/users")
        third = await world.call("GET", "/api/v1/users")
        assert (third.status_code, third.headers["retry-after"], third.json()["code"]) == (429, "10", "rate_limited")
        await world.get("/api/v1/users", headers=await world.key("users:read"))


async def test_a_key_is_looked_up_once_a_second(world: World) -> None:
    await world.get("/api/v1/vpn/status")
    world.storage.fail_next(Unavailable())
    assert (await world.call("GET", "/api/v1/vpn/status")).status_code == 200, "neither key nor status was looked up"
    await world.clock.advance(1)
    assert (await world.call("GET", "/api/v1/vpn/status")).status_code == 503


async def test_a_revoked_key_is_refused_by_every_process_within_a_second(world: World) -> None:
    """Another process has known the key for a moment, and hears nothing of its end."""
    key, secret = await world.application.api_keys.add("leaked", ["users:read"])
    headers = {"Authorization": f"Bearer {secret}"}
    other: Any = build_api(world.application)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url="http://other.test") as http:
        for _ in range(3):  # asked again and again, it is not known for longer
            assert (await http.get("/api/v1/users", headers=headers)).status_code == 200
            await world.clock.advance(0.3)
        await world.post(f"/api/v1/admin/api-keys/{key.id}/revoke")
        await world.get("/api/v1/users", 401, headers=headers)
        await world.clock.advance(0.9)
        assert (await http.get("/api/v1/users", headers=headers)).status_code == 401


async def test_a_post_under_a_key_happens_once(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    await world.server()
    gift = {"user_id": user["id"], "tariff_id": tariff["id"], "days": 10}
    once = {"Idempotency-Key": "gift-1"}
    first = await world.call("POST", "/api/v1/vpn/keys", json=gift, headers=once)
    again = await world.call("POST", "/api/v1/vpn/keys", json=gift, headers=once)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    path = f"/api/v1/vpn/subscriptions/{first.json()['id']}/extend"
    for _ in range(3):
        await world.post(path, json={"days": 5}, headers={"Idempotency-Key": "extend"})
    [kept] = await world.everything("/api/v1/vpn/subscriptions", 10)
    assert kept["ends_at"] == "2026-01-16T12:00:00Z"


async def test_a_key_belongs_to_one_request_and_one_caller(world: World) -> None:
    once = {"Idempotency-Key": "a"}
    await world.post("/api/v1/users", 201, json={"name": "Ann"}, headers=once)
    problem = await world.post("/api/v1/users", 400, json={"name": "Bob"}, headers=once)
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    await world.post("/api/v1/users?x=1", 400, json={"name": "Ann"}, headers=once)
    other = await world.key("users:write")
    await world.post("/api/v1/users", 201, json={"name": "Ann"}, headers=once | other)
    assert len(await world.everything("/api/v1/users", 100)) == 2
    for nonsense in ("", "x" * 256, "\x7f"):
        await world.post("/api/v1/users", 400, json={"name": "Ann"}, headers={"Idempotency-Key": nonsense})


async def test_two_at_once_under_one_key_are_one(world: World) -> None:
    async def ask() -> Any:
        return await world.call("POST", "/api/v1/users", json={"name": "Ann"}, headers={"Idempotency-Key": "race"})

    answers = await asyncio.gather(*(ask() for _ in range(5)))
    assert sorted({answer.status_code for answer in answers}) in ([201], [201, 409])
    for answer in answers:
        assert answer.status_code == 201 or answer.headers["retry-after"] == "1"
    assert len(await world.everything("/api/v1/users", 100)) == 1


async def test_a_refusal_is_remembered_and_a_failure_is_not(world: World) -> None:
    refused = {"Idempotency-Key": "refused"}
    body = {"name": "A", "protocol": "v2ray", "country": "NL", "endpoint": {"a": "b"}}
    for _ in range(2):
        answer = await world.call("POST", "/api/v1/vpn/servers", json=body, headers=refused)
        assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.headers["idempotency-replayed"] == "true"
    failed = {"Idempotency-Key": "failed"}
    world.vpn.fail_next(Unavailable())
    await world.post("/api/v1/vpn/servers", 503, json=body | {"protocol": "outline"}, headers=failed)
    await world.post("/api/v1/vpn/servers", 201, json=body | {"protocol": "outline"}, headers=failed)


async def test_a_secret_is_not_remembered(world: World) -> None:
    once, body = {"Idempotency-Key": "key"}, {"name": "tool", "scopes": ["users:read"]}
    first = await world.post("/api/v1/admin/api-keys", 201, json=body, headers=once)
    again = await world.post("/api/v1/admin/api-keys", 201, json=body, headers=once)
    assert first["secret"].startswith("vb_")
    assert again == {"key": first["key"], "secret": None}


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("198.51.100.7", "203.0.113.1", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("10.0.0.1", "6.6.6.6, nonsense, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "203.0.113.1:5678", "203.0.113.1"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:5678", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fe80::1%eth0", "203.0.113.1", "fe80::/64"),
        ("a unix socket", "203.0.113.1", "unknown"),
    ],
)
async def test_a_forwarded_address_counts_only_from_trusted_proxies(peer: str, forwarded: str, counted: str) -> None:
    async with open_world(peer=peer, trusted_proxies=["10.0.0.0/8"]) as world:
        for _ in range(2):
            await world.call("GET", "/api/v1/users", headers={"Authorization": "x", "X-Forwarded-For": forwarded})
        rate = Rate()
        verdict = await world.application.limiter.hit(f"failed:{counted}", rate.failures, rate.seconds)
        assert verdict.remaining == rate.failures - 3
