"""The sandbox says what V2Ray 4.34 and Xray 26.10 say, crashes as they do, and plays outages."""

from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_runners.sandbox.v2ray import V2RaySandbox, v2ray_router
from veilbot_runners.sandbox.v2ray_state import Crash, Refusal, Unknown, V2RayState

TAGS = {proxy: proxy for proxy in ("vless", "vmess", "trojan", "shadowsocks")}
WHERE = {"vless": "vless", "vmess": "vmess/inbound", "trojan": "trojan", "shadowsocks": "shadowsocks"}
EMAIL = "a@x"


@pytest.fixture(params=["v2ray", "xray"])
def state(request: pytest.FixtureRequest) -> V2RayState:
    return V2RayState(flavour=request.param, inbounds=TAGS)


def alter(state: V2RayState, tag: str, name: str, operation: object) -> None:
    kind = f"{state.root}.app.proxyman.command.{name}Operation"
    typed = pb.TypedMessage(type=kind, value=cast(Any, operation).SerializeToString())
    request = pb.AlterInboundRequest(tag=tag, operation=typed)
    method = f"/{state.root}.app.proxyman.command.HandlerService/AlterInbound"
    state.answer(method, request.SerializeToString())


def add(state: V2RayState, tag: str, account: str) -> None:
    user = pb.User(email=EMAIL, account=pb.TypedMessage(type=f"{state.root}.proxy.{account}.Account"))
    alter(state, tag, "AddUser", pb.AddUserOperation(user=user))


def remove(state: V2RayState, tag: str, email: str = EMAIL) -> None:
    alter(state, tag, "RemoveUser", pb.RemoveUserOperation(email=email))


@pytest.mark.parametrize("proxy", ["vless", "vmess", "trojan"])
def test_the_sentences(state: V2RayState, proxy: str) -> None:
    before = "v2ray.com/core/" if state.flavour == "v2ray" else ""
    add(state, proxy, proxy)
    with pytest.raises(Refusal, match=f"^{before}proxy/{WHERE[proxy]}: User a@x already exists\\.$"):
        add(state, proxy, proxy)
    remove(state, proxy, "A@X")
    with pytest.raises(Refusal, match=f"^{before}proxy/{WHERE[proxy]}: User a@x not found\\.$"):
        remove(state, proxy)
    with pytest.raises(Refusal, match="Email must not be empty"):
        remove(state, proxy, "")
    with pytest.raises(Refusal, match=r"failed to get handler: no > .*handler not found: no"):
        remove(state, "no")


@pytest.mark.parametrize(("real", "sent"), [("vless", "vmess"), ("vless", "trojan"), ("trojan", "vmess")])
def test_a_wrong_account_is_the_end(state: V2RayState, real: str, sent: str) -> None:
    with pytest.raises(Crash):
        add(state, real, sent)


def test_the_crash_that_xray_has_mended(state: V2RayState) -> None:
    with pytest.raises(Refusal if state.flavour == "xray" else Crash):
        add(state, "vmess", "vless")


def test_no_operation_is_the_end_too(state: V2RayState) -> None:
    with pytest.raises(Crash):
        state.answer(
            f"/{state.root}.app.proxyman.command.HandlerService/AlterInbound",
            pb.AlterInboundRequest(tag="vless").SerializeToString(),
        )


def test_shadowsocks_has_users_on_xray_only_and_takes_duplicates(state: V2RayState) -> None:
    if state.flavour == "v2ray":
        with pytest.raises(Refusal, match="proxy is not a UserManager"):
            add(state, "shadowsocks", "shadowsocks")
        return
    add(state, "shadowsocks", "shadowsocks")
    add(state, "shadowsocks", "shadowsocks")
    remove(state, "shadowsocks")
    assert len(state.users["shadowsocks"]) == 1


def test_who_answers_to_which_name(state: V2RayState) -> None:
    state.answer("/v2ray.core.app.stats.command.StatsService/GetSysStats", b"")
    if state.flavour == "v2ray":
        with pytest.raises(Unknown, match=r"unknown service xray\.app\.stats"):
            state.answer("/xray.app.stats.command.StatsService/GetSysStats", b"")
    with pytest.raises(Unknown):
        state.answer("/v2ray.core.app.stats.command.StatsService/Nothing", b"")


def test_a_pattern_is_any_part_of_a_name_and_reset_forgets(state: V2RayState) -> None:
    state.traffic = {"1@x": 1, "10@x": 2}
    method = f"/{state.root}.app.stats.command.StatsService/QueryStats"
    asked = pb.QueryStatsRequest(pattern="user>>>1", reset=True).SerializeToString()
    assert len(cast(Any, state.answer(method, asked)).stat) == 2
    assert len(cast(Any, state.answer(method, asked)).stat) == 0


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of the plain routes of a sandbox with one core."""
    async with V2RaySandbox({"de-1": 0}) as sandbox:
        app = Litestar([v2ray_router(sandbox)], openapi_config=None)
        transport = httpx.ASGITransport(cast(Any, app))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/sandbox/v2ray") as client:
            yield client


async def test_the_plain_routes_show_and_play(http: httpx.AsyncClient) -> None:
    (shown,) = (await http.get("/")).json()["items"]
    assert (shown["name"], shown["flavour"], shown["inbounds"]) == ("de-1", "xray", {"in": "vless"})
    assert (await http.get("/de-1/keys")).json() == {"items": []}
    assert (await http.post("/de-1/down")).json()["outage"] == "down"
    assert (await http.post("/de-1/up")).json() == shown
    assert (await http.post("/de-1/restart")).json() == shown
    assert (await http.post("/de-1/traffic", json={"email": "a@x", "bytes": 5})).status_code == 200


@pytest.mark.parametrize(("path", "body", "status"), [("/no/down", None, 404), ("/de-1/explode", None, 404)])
async def test_the_plain_routes_refuse(http: httpx.AsyncClient, path: str, body: object, status: int) -> None:
    assert (await http.post(path, json=body)).status_code == status
