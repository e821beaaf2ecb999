"""One subscription on two protocols, behind one link that suits every app."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import yaml
from tests.runners.api.wares import OUTLINE, LinkedVpn
from tests.runners.api.world import World, open_world

from veilbot_core.domain.ids import SubscriptionId, UserId
from veilbot_core.domain.tariff import Protocol
from veilbot_core.domain.user import Language
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.ports.vpn import Metering

DAY = timedelta(days=1).total_seconds()
BROWSER = {"Accept": "text/html"}
FORMS = {
    "base64": "text/plain; charset=utf-8",
    "clash": "application/yaml",
    "singbox": "application/json",
    "outline": "application/json",
    "page": "text/html; charset=utf-8",
}


@pytest.fixture
async def shop() -> AsyncIterator[World]:
    protocols = {
        Protocol.OUTLINE: LinkedVpn(Protocol.OUTLINE, metering=Metering.WINDOW),
        Protocol.V2RAY: LinkedVpn(Protocol.V2RAY),
    }
    settings = {"link_urls": ("https://one.example/", "https://two.example")}
    async with open_world(protocols=protocols, settings=settings) as opened:
        yield opened


async def bought(
    shop: World, name: str = "Both", *, protocols: tuple[str, ...] = ("outline", "v2ray"), **terms: Any
) -> tuple[Any, str]:
    """Let a customer buy a mixed tariff; return the subscription and the path of its link."""
    user = await shop.user()
    tariff = await shop.tariff(name=name, protocols=protocols, **terms)
    await shop.server("Amsterdam")
    await shop.server("Berlin", protocol="v2ray", country="DE")
    await shop.pay(await shop.order(user, tariff))
    await shop.work()
    [subscription] = (await shop.get(f"/api/v1/users/{user['id']}/subscriptions"))["items"]
    return subscription, await shop.link(subscription)


async def error(shop: World, path: str) -> Any:
    """Return what the Outline app shows in place of a connection."""
    answer = await shop.call("GET", f"{path}?format=outline")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/yaml")
    return yaml.safe_load(answer.text)["error"]


async def test_every_form_by_its_name(shop: World) -> None:
    _, path = await bought(shop)
    for form, kind in FORMS.items():
        answer = await shop.call("GET", path, params={"format": form}, headers={"User-Agent": "mihomo/1"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    lines = base64.b64decode((await shop.call("GET", path)).text).decode().split("\n")
    assert sorted(line.partition("://")[0] for line in lines) == ["ss", "vless"]


async def test_every_app_gets_both_keys(shop: World) -> None:
    _, path = await bought(shop)
    clash = yaml.safe_load((await shop.call("GET", path, headers={"User-Agent": "clash-verge/v2"})).text)
    assert {proxy["type"] for proxy in clash["proxies"]} == {"ss", "vless"}
    assert {proxy["name"] for proxy in clash["proxies"]} == {"Amsterdam", "Berlin"}
    singbox = (await shop.call("GET", path, headers={"User-Agent": "SFA/1.12 (sing-box 1.12)"})).json()
    assert {"shadowsocks", "vless"} <= {outbound["type"] for outbound in singbox["outbounds"]}
    outline = (await shop.call("GET", path, headers={"User-Agent": "Go-http-client/2.0"})).json()
    assert outline["server"] == "203.0.113.7"


async def test_without_an_outline_key_an_app_in_go_gets_the_list(shop: World) -> None:
    _, path = await bought(shop, protocols=("v2ray",))
    answer = await shop.call("GET", path, headers={"User-Agent": "Go-http-client/2.0"})
    assert base64.b64decode(answer.text).startswith(b"vless://")
    assert (await error(shop, path))["message"] == "No key for this app"


async def test_a_form_that_there_is_not_is_refused_whoever_asks(shop: World) -> None:
    _, path = await bought(shop)
    for place in (path, "/s/" + "x" * 22):
        refused = await shop.get(f"{place}?format=surge", 400)
        assert refused["code"] == "invalid_input"
        assert refused["errors"][0]["field"] == "format"


async def test_apps_are_told_the_facts(shop: World) -> None:
    _, path = await bought(shop, name="Месяц", traffic_limit=10**10)
    for form in ("base64", "clash", "singbox", "outline"):
        headers = (await shop.call("GET", path, params={"format": form})).headers
        assert headers["subscription-userinfo"] == "upload=0; download=0; total=0; expire=1769860800"  # nobody keeps it
        assert base64.b64decode(headers["profile-title"].removeprefix("base64:")).decode() == "Месяц"
        assert headers["profile-update-interval"] == "12"
        assert headers["support-url"] == "https://t.me/help"
        assert headers["content-disposition"].endswith("filename*=UTF-8''%D0%9C%D0%B5%D1%81%D1%8F%D1%86")
        assert "User-Agent" in headers["vary"]


@pytest.mark.parametrize("protocols", [("outline", "v2ray"), ("v2ray",)])
async def test_a_limit_that_nobody_keeps_is_no_part_of_the_page(shop: World, protocols: tuple[str, ...]) -> None:
    _, path = await bought(shop, traffic_limit=10**10, protocols=protocols)

    def use(uow: UnitOfWork) -> None:
        uow.keys.save_usage([(key, key.metered(25 * 10**8, counts_up=True)) for key in uow.keys.page(limit=9)])

    await shop.storage.write(use)
    page = (await shop.call("GET", path, headers=BROWSER)).text
    assert f"<p>Traffic: {'5' if len(protocols) > 1 else '2.5'} GB</p>" in page.replace("\u00a0", " ")
    assert "<progress max" not in page


async def test_a_plain_name_stays_plain(shop: World) -> None:
    _, path = await bought(shop, name="Both, for two")
    assert (await shop.call("GET", path)).headers["profile-title"] == "Both, for two"


async def test_the_page_shows_every_way_in(shop: World) -> None:
    _, path = await bought(shop)
    page = (await shop.call("GET", path, headers=BROWSER)).text
    for shown in (OUTLINE, "vless://", f"https://one.example{path}", f"https://two.example{path}"):
        assert shown in page
    assert page.count(f"ssconf://one.example{path}?format=outline#Both") == 2
    assert "How to connect: Outline" in page
    assert "How to connect: Hiddify" in page


async def test_outline_says_why_in_the_customer_s_language(shop: World) -> None:
    subscription, path = await bought(shop)
    customer = UserId(UUID(subscription["user_id"]))
    await shop.application.users.speak(customer, Language.RU)
    await shop.clock.advance(30 * DAY)
    assert (await shop.get(path, headers={"User-Agent": "Go-http-client/1.1"}))["server_port"] == 8443
    await shop.clock.advance(DAY)
    said = await error(shop, path)
    assert said["message"] == "Подписка закончилась"
    assert "https://t.me/help" in said["details"]
    for form in ("base64", "clash", "singbox"):
        assert (await shop.get(f"{path}?format={form}", 410))["code"] == "ended"
    ended = await shop.call("GET", f"{path}?format=page")
    assert (ended.status_code, "ss://" in ended.text, "Both" in ended.text) == (410, False, False)


async def test_a_dispute_is_said_in_the_app(shop: World) -> None:
    subscription, path = await bought(shop)

    def freeze(uow: UnitOfWork) -> None:
        known = uow.subscriptions.lock(SubscriptionId(UUID(subscription["id"])))
        uow.subscriptions.save(known.freeze(shop.clock.now()))

    await shop.storage.write(freeze)
    assert (await error(shop, path))["message"] == "Your subscription is paused"


async def test_a_key_that_its_server_stopped_is_said_to_be_used_up(shop: World) -> None:
    _, path = await bought(shop, traffic_limit=10**9)
    readings = ((10**9 - 1, False), (10**9, True), (10**8, False))  # a window of 30 days, which also falls
    for reading, spent in readings:

        def measure(uow: UnitOfWork, reading: int = reading) -> None:
            keys = [key for key in uow.keys.page(limit=9) if key.protocol is Protocol.OUTLINE]
            uow.keys.save_usage([(key, key.metered(reading, counts_up=False)) for key in keys])

        await shop.storage.write(measure)
        answer = await shop.call("GET", f"{path}?format=outline")
        assert ("Your traffic is used up" in answer.text) is spent
        assert answer.status_code == 200


async def test_wrong_and_replaced_links_are_the_same_in_every_form(shop: World) -> None:
    subscription, old = await bought(shop)
    await shop.application.subscriptions.rotate(SubscriptionId(UUID(subscription["id"])))
    for form in FORMS:
        answers = [
            await shop.call("GET", place, params={"format": form}, headers={"X-Request-ID": "same"})
            for place in (old, "/s/" + "x" * len(old.removeprefix("/s/")), "/s/short")
        ]
        first, *others = [(a.status_code, a.content, _lasting(a.headers)) for a in answers]
        assert first[0] == 404
        assert others == [first, first]
    assert (await shop.call("GET", await shop.link(subscription))).status_code == 200


def _lasting(headers: Any) -> list[tuple[str, str]]:
    """Return the headers but those that count requests, which fall with each."""
    return [(name, value) for name, value in headers.items() if not name.startswith(("ratelimit", "x-ratelimit"))]


async def test_a_key_that_waits_is_on_its_way(shop: World) -> None:
    user, tariff = await shop.user(), await shop.tariff(protocols=["outline", "v2ray"])
    await shop.server("Amsterdam")
    await shop.server("Berlin", protocol="v2ray")
    gift = {"user_id": user["id"], "tariff_id": tariff["id"], "days": 10}
    path = await shop.link(await shop.post("/api/v1/vpn/keys", 201, json=gift))
    assert (await error(shop, path))["message"] == "Your key is on its way"
    assert yaml.safe_load((await shop.call("GET", f"{path}?format=clash")).text)["proxies"] == []
    assert (
        json.loads((await shop.call("GET", f"{path}?format=singbox")).text)["route"]["rules"][-1]["action"] == "reject"
    )
