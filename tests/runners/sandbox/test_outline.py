"""The sandbox answers as the real manager does, strange answers included, and plays outages."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar
from tests.waiting import PATIENCE, until

from veilbot_runners.sandbox.certificate import self_signed
from veilbot_runners.sandbox.outline import OutlineSandbox, outline_router
from veilbot_runners.sandbox.outline_api import Call, answer
from veilbot_runners.sandbox.outline_server import Outage, OutlineServer
from veilbot_runners.sandbox.outline_state import OutlineState


@pytest.fixture
def state() -> OutlineState:
    """A server with one key, ``k``."""
    state = OutlineState(name="nl", server_id="id", password=lambda: "password", api_port=8443)
    state.add("k", {"limit": {"bytes": 5}})
    return state


def ask(state: OutlineState, line: str, body: str = "", kind: str = "application/json") -> tuple[int, object]:
    method, _, path = line.partition(" ")
    path, _, query = path.partition("?")
    return answer(state, Call(method=method, path=path, query=query, content_type=kind, body=body.encode()))


@pytest.mark.parametrize(
    ("line", "body", "status", "code"),
    [
        ("GET /server", "", 200, None),
        ("PUT /name", '{"name": "x"}', 204, None),
        ("PUT /name", "{}", 400, "MissingParameter"),
        ("PUT /name", '{"name": "' + "x" * 101 + '"}', 409, "InvalidArgument"),
        ("PUT /name", '{"name": 7}', 409, "InvalidArgument"),
        ("PUT /server/hostname-for-access-keys", '{"hostname": "vpn.example.com"}', 204, None),
        ("PUT /server/hostname-for-access-keys", "{}", 400, "MissingParameter"),
        ("PUT /server/hostname-for-access-keys", '{"hostname": "-"}', 400, "InvalidArgument"),
        ("PUT /server/port-for-new-access-keys", '{"port": 443}', 204, None),
        ("PUT /server/port-for-new-access-keys", "{}", 400, "MissingParameter"),
        ("PUT /server/port-for-new-access-keys", '{"port": "443"}', 400, "InvalidArgument"),
        ("PUT /server/port-for-new-access-keys", '{"port": 70000}', 400, "InvalidArgument"),
        ("PUT /server/port-for-new-access-keys", '{"port": 8443}', 409, "Conflict"),
        ("PUT /server/access-key-data-limit", '{"limit": {"bytes": 5}}', 204, None),
        ("PUT /server/access-key-data-limit", '{"limit": {"bytes": -5}}', 400, "InvalidArgument"),
        ("DELETE /server/access-key-data-limit", "", 204, None),
        ("GET /access-keys", "", 200, None),
        ("GET /access-keys/", "", 200, None),
        ("POST /access-keys", "", 201, None),
        ("POST /access-keys", '{"name": "a", "method": "aes-128-gcm", "limit": {"bytes": 0}}', 201, None),
        ("POST /access-keys", '{"id": "7"}', 400, "InvalidArgument"),
        ("POST /access-keys", '{"method": "rot13"}', 400, "InvalidArgument"),
        ("POST /access-keys", '{"name": 7}', 400, "InvalidArgument"),
        ("POST /access-keys", '{"limit": null}', 500, "InternalServer"),
        ("POST /access-keys", '{"password": "password"}', 409, "Conflict"),
        ("POST /access-keys", "{", 400, "InvalidContent"),
        ("PUT /access-keys/new", '{"id": "ignored"}', 201, None),
        ("PUT /access-keys/k", "", 409, "Conflict"),
        ("PUT /access-keys/" + "x" * 101, "", 404, "ResourceNotFound"),
        ("GET /access-keys/k", "", 200, None),
        ("GET /access-keys/no", "", 404, "NotFound"),
        ("DELETE /access-keys/k", "", 204, None),
        ("DELETE /access-keys/no", "", 404, "NotFound"),
        ("PUT /access-keys/k/name", '{"name": "x"}', 204, None),
        ("PUT /access-keys/k/name", '{"name": ""}', 400, "MissingParameter"),
        ("PUT /access-keys/no/name", '{"name": "x"}', 404, "NotFound"),
        ("PUT /access-keys/k/data-limit", '{"limit": {"bytes": 7}}', 204, None),
        ("PUT /access-keys/k/data-limit", '{"limit": {"bytes": 1.5}}', 400, "InvalidArgument"),
        ("PUT /access-keys/no/data-limit", '{"limit": {"bytes": 7}}', 404, "NotFound"),
        ("DELETE /access-keys/k/data-limit", "", 204, None),
        ("DELETE /access-keys/no/data-limit", "", 404, "NotFound"),
        ("GET /metrics/transfer", "", 200, None),
        ("GET /metrics/enabled", "", 200, None),
        ("PUT /metrics/enabled", '{"metricsEnabled": true}', 204, None),
        ("PUT /metrics/enabled", "{}", 400, "MissingParameter"),
        ("PUT /metrics/enabled", '{"metricsEnabled": 1}', 400, "InvalidArgument"),
        ("GET /experimental/server/metrics?since=30d", "", 200, None),
        ("GET /experimental/server/metrics?since=soon", "", 400, "InvalidArgument"),
        ("GET /experimental/server/metrics", "", 400, "InvalidArgument"),
        ("GET /nothing", "", 404, "ResourceNotFound"),
        ("PATCH /server", "", 405, "MethodNotAllowed"),
    ],
)
def test_the_table(state: OutlineState, line: str, body: str, status: int, code: str | None) -> None:
    said, shown = ask(state, line, body)
    assert said == status
    if code:
        assert isinstance(shown, dict)
        assert shown["code"] == code


@pytest.mark.parametrize("body", ['{"bytes": 7}', "{}", ""])
def test_a_limit_that_is_not_understood_is_taken_away(state: OutlineState, body: str) -> None:
    assert ask(state, "PUT /access-keys/k/data-limit", body) == (204, None)
    assert state.keys["k"].limit is None


def test_a_key_is_shown_with_its_url_and_limit(state: OutlineState) -> None:
    assert ask(state, "GET /access-keys/k")[1] == {
        "id": "k",
        "name": "",
        "password": "password",
        "port": 40000,
        "method": "chacha20-ietf-poly1305",
        "dataLimit": {"bytes": 5},
        "accessUrl": "ss://Y2hhY2hhMjAtaWV0Zi1wb2x5MTMwNTpwYXNzd29yZA@127.0.0.1:40000/?outline=1",
    }


def test_a_name_may_come_as_a_form(state: OutlineState) -> None:
    assert ask(state, "PUT /access-keys/k/name", "name=Anna+B", "application/x-www-form-urlencoded")[0] == 204
    assert state.keys["k"].name == "Anna B"


def test_a_new_host_does_not_reach_old_keys(state: OutlineState) -> None:
    ask(state, "PUT /server/hostname-for-access-keys", '{"hostname": "vpn.example.com"}')
    ask(state, "PUT /access-keys/new")
    assert "@127.0.0.1:" in state.keys["k"].access_url
    assert "@vpn.example.com:" in state.keys["new"].access_url


def test_a_refused_key_burns_its_id(state: OutlineState) -> None:
    ask(state, "POST /access-keys", '{"method": "rot13"}')
    _, shown = ask(state, "POST /access-keys")
    assert isinstance(shown, dict)
    assert shown["id"] == "1"


def test_traffic_of_a_deleted_key_stays_listed_and_zero_is_left_out(state: OutlineState) -> None:
    state.traffic = {"k": 7, "z": 0}
    ask(state, "DELETE /access-keys/k")
    assert ask(state, "GET /metrics/transfer")[1] == {"bytesTransferredByUserId": {"k": 7}}
    _, shown = ask(state, "GET /experimental/server/metrics?since=1h")
    assert isinstance(shown, dict)
    assert [key["accessKeyId"] for key in shown["accessKeys"]] == [None, None]


def test_equal_seeds_make_equal_servers() -> None:
    one, same, other = OutlineServer("nl", seed="a"), OutlineServer("nl", seed="a"), OutlineServer("nl", seed="b")
    assert (one.api_url, one.cert_sha256) == (same.api_url, same.cert_sha256)
    assert one.cert_sha256 != other.cert_sha256 != OutlineServer("nl").cert_sha256
    assert "PRIVATE" not in repr(self_signed(b"x" * 32))


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[OutlineSandbox]:
    async with OutlineSandbox({"nl-1": 0, "de-1": 0}) as sandbox:
        yield sandbox


@pytest.fixture
async def wire(sandbox: OutlineSandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client at the secret path of ``nl-1``."""
    server = sandbox.servers["nl-1"]
    async with httpx.AsyncClient(verify=False, trust_env=False, base_url=server.api_url, timeout=PATIENCE) as client:  # noqa: S501
        yield client
    await sandbox.play("nl-1", Outage.NONE)


@pytest.fixture
async def http(sandbox: OutlineSandbox) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the plain routes."""
    app = Litestar([outline_router(sandbox)], openapi_config=None)
    transport = httpx.ASGITransport(cast(Any, app))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/sandbox/outline") as client:
        yield client


async def test_the_wire_speaks_json_behind_the_secret_path(wire: httpx.AsyncClient) -> None:
    assert (await wire.put("/access-keys/a", json={"name": "A"})).status_code == 201
    listed = await wire.get("/access-keys")
    assert listed.headers["content-type"] == "application/json"
    assert [key["id"] for key in listed.json()["accessKeys"]] == ["a"]
    gone = await wire.delete("/access-keys/a")
    assert (gone.status_code, gone.content) == (204, b"")
    moved = await wire.delete("/experimental/access-key-data-limit")
    assert moved.status_code == 308
    assert moved.headers["location"].endswith("/server/access-key-data-limit")
    away = await wire.get(str(wire.base_url)[:-2] + "/server")
    assert (away.status_code, away.json()["code"]) == (404, "ResourceNotFound")


async def test_a_server_that_is_down_refuses_and_comes_back_at_the_same_place(
    wire: httpx.AsyncClient, http: httpx.AsyncClient, sandbox: OutlineSandbox
) -> None:
    await wire.put("/access-keys/stays")
    assert (await http.post("/nl-1/down")).json()["outage"] == "down"
    with pytest.raises(httpx.ConnectError):
        await wire.get("/server")
    assert (await http.post("/nl-1/up")).json()["keys"] == 1
    assert (await wire.get("/access-keys/stays")).status_code == 200
    assert sandbox.servers["de-1"].outage is Outage.NONE


async def test_outages_over_the_wire(wire: httpx.AsyncClient, http: httpx.AsyncClient, sandbox: OutlineSandbox) -> None:
    keys = sandbox.servers["nl-1"].keys
    for outage, status in (("garbage", 200), ("busy", 429), ("full", 500)):
        await http.post(f"/nl-1/{outage}")
        assert (await wire.put(f"/access-keys/{outage}")).status_code == status
        assert outage not in keys
    await http.post("/nl-1/error_after")
    assert (await wire.put("/access-keys/made")).status_code == 500
    assert "made" in keys
    for outage, known in (("lost", True), ("hang", False)):
        await http.post(f"/nl-1/{outage}")
        with pytest.raises(httpx.ReadTimeout):
            await wire.put(f"/access-keys/{outage}", timeout=0.3)
        if known:
            await until(lambda outage=outage: outage in keys)  # type: ignore[misc]
        assert (outage in keys) is known
    sandbox.servers["nl-1"].delay = 0.05
    await http.post("/nl-1/up")
    began = asyncio.get_running_loop().time()
    await wire.get("/server")
    assert asyncio.get_running_loop().time() - began >= 0.05
    sandbox.servers["nl-1"].delay = 0.0


async def test_the_plain_routes_show_and_play(wire: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    names = [server["name"] for server in (await http.get("/")).json()["items"]]
    assert names == ["nl-1", "de-1"]
    await wire.put("/access-keys/busy-one")
    keys = (await http.get("/nl-1/keys")).json()["items"]
    assert "busy-one" in {key["id"] for key in keys}
    assert (await http.post("/nl-1/traffic", json={"key": "busy-one", "bytes": 500})).status_code == 200
    assert (await wire.get("/metrics/transfer")).json()["bytesTransferredByUserId"] == {"busy-one": 500}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/nowhere/down", None, 404),
        ("/nl-1/explode", None, 404),
        ("/nl-1/traffic", {"key": "no", "bytes": 1}, 404),
        ("/nl-1/traffic", {"key": 7}, 400),
    ],
)
async def test_the_plain_routes_refuse(http: httpx.AsyncClient, path: str, body: object, status: int) -> None:
    assert (await http.post(path, json=body)).status_code == status
