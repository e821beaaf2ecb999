"""Forms of the link: golden files, and each form read back into the same settings."""

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.runners.api.wares import LINK, MIRROR, PASSWORD, holding, wares

from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.user import Language
from veilbot_core.ports.notifier import Access
from veilbot_runners.api.links.formats import RENDERINGS, Format, guess
from veilbot_runners.api.links.outline import Trouble, dynamic, excuse, ssconf
from veilbot_runners.api.links.page import LinkPage
from veilbot_runners.api.links.proxies import Proxy, Scheme, parse, readable
from veilbot_runners.api.links.texts import WORDS

GOLDEN = Path(__file__).parent / "golden"
HELP = "https://t.me/help"


def same_as_golden(name: str, text: str) -> bool:
    """Compare with a golden file; ``VEILBOT_TEST_GOLDEN=write`` writes it anew."""
    path = GOLDEN / name
    if os.environ.get("VEILBOT_TEST_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8") == text


def written(form: Format, keys: tuple[Access, ...] | None = None) -> str:
    return RENDERINGS[form].write(holding(wares() if keys is None else keys))


def of_clash(shown: Mapping[str, Any]) -> Proxy:
    """Read one of Clash's proxies as mihomo does."""
    scheme = Scheme(shown["type"])
    reality = shown.get("reality-opts")
    secure = "reality" if reality else "tls" if shown.get("tls") or scheme is Scheme.TROJAN else "none"
    ws, grpc = shown.get("ws-opts", {}), shown.get("grpc-opts", {})
    return Proxy(
        scheme=scheme,
        name=shown["name"],
        host=shown["server"],
        port=shown["port"],
        secret=shown.get("uuid") or shown["password"],
        method=shown["cipher"] if scheme is Scheme.SHADOWSOCKS else "",
        network=shown.get("network", "tcp"),
        path=ws.get("path") or grpc.get("grpc-service-name", ""),
        header=ws.get("headers", {}).get("Host", ""),
        security=secure,
        sni=shown.get("sni") or shown.get("servername", ""),
        fingerprint=shown.get("client-fingerprint", ""),
        public_key=reality["public-key"] if reality else "",
        short_id=reality["short-id"] if reality else "",
        flow=shown.get("flow", ""),
    )


def of_singbox(shown: Mapping[str, Any]) -> Proxy:
    """Read one of sing-box's outbounds as it does."""
    tls, transport = shown.get("tls", {}), shown.get("transport", {})
    reality = tls.get("reality", {})
    assert tls == {} or tls["enabled"]
    return Proxy(
        scheme=Scheme({"shadowsocks": "ss"}.get(shown["type"], shown["type"])),
        name=shown["tag"],
        host=shown["server"],
        port=shown["server_port"],
        secret=shown.get("uuid") or shown["password"],
        method=shown.get("method", ""),
        network=transport.get("type", "tcp"),
        path=transport.get("path") or transport.get("service_name", ""),
        header=transport.get("headers", {}).get("Host", ""),
        security="reality" if reality else "tls" if tls else "none",
        sni=tls.get("server_name", ""),
        fingerprint=tls.get("utls", {}).get("fingerprint", ""),
        public_key=reality.get("public_key", ""),
        short_id=reality.get("short_id", ""),
        flow=shown.get("flow", ""),
    )


class TestTheList:
    def test_it_is_as_it_was(self) -> None:
        assert same_as_golden("list.txt", written(Format.BASE64))

    def test_it_holds_the_very_links(self) -> None:
        urls = base64.b64decode(written(Format.BASE64)).decode().split("\n")
        assert urls == [access.url for access in wares()]
        assert [parse(url).secret for url in urls] == [proxy.secret for proxy in readable(wares())]


class TestClash:
    def test_it_is_as_it_was(self) -> None:
        assert same_as_golden("clash.yaml", written(Format.CLASH))

    def test_its_proxies_are_the_keys(self) -> None:
        shown = yaml.safe_load(written(Format.CLASH))["proxies"]
        assert [of_clash(proxy) for proxy in shown] == [
            replace(proxy, sni=proxy.server_name if proxy.security != "none" else "") for proxy in readable(wares())
        ]

    def test_its_groups_name_what_there_is(self) -> None:
        config = yaml.safe_load(written(Format.CLASH))
        names = [proxy["name"] for proxy in config["proxies"]]
        choice, fastest = config["proxy-groups"]
        assert choice["proxies"] == [fastest["name"], *names]
        assert fastest["proxies"] == names
        assert config["rules"][-1] == f"MATCH,{choice['name']}"

    def test_numbers_in_disguise_stay_texts(self) -> None:
        assert "short-id: '12e4'" in written(Format.CLASH)

    def test_one_key_needs_no_race(self) -> None:
        [choice] = yaml.safe_load(written(Format.CLASH, wares()[:1]))["proxy-groups"]
        assert choice["proxies"] == ["Amsterdam"]

    def test_without_keys_nothing_gets_out(self) -> None:
        config = yaml.safe_load(written(Format.CLASH, ()))
        assert config["proxies"] == []
        assert config["proxy-groups"] == [{"name": "VPN", "type": "select", "proxies": ["REJECT"]}]


class TestSingBox:
    def test_it_is_as_it_was(self) -> None:
        assert same_as_golden("singbox.json", written(Format.SINGBOX))

    def test_its_outbounds_are_the_keys(self) -> None:
        outbounds = json.loads(written(Format.SINGBOX))["outbounds"]
        keys = [outbound for outbound in outbounds if "server" in outbound]
        assert [of_singbox(outbound) for outbound in keys] == [
            replace(proxy, sni=proxy.server_name if proxy.security != "none" else "") for proxy in readable(wares())
        ]

    def test_all_that_it_names_is_there(self) -> None:
        config = json.loads(written(Format.SINGBOX))
        tags = [outbound["tag"] for outbound in config["outbounds"]]
        assert len(set(tags)) == len(tags)
        named = {tag for outbound in config["outbounds"] for tag in outbound.get("outbounds", [])}
        named |= {rule["outbound"] for rule in config["route"]["rules"] if "outbound" in rule}
        assert named | {config["route"]["final"], config["dns"]["servers"][1]["detour"]} <= set(tags)

    def test_one_key_needs_no_race(self) -> None:
        outbounds = json.loads(written(Format.SINGBOX, wares()[:1]))["outbounds"]
        assert [outbound["type"] for outbound in outbounds] == ["selector", "shadowsocks", "direct"]

    def test_without_keys_nothing_gets_out(self) -> None:
        config = json.loads(written(Format.SINGBOX, ()))
        assert config["route"]["rules"][-1] == {"action": "reject"}
        assert [outbound["type"] for outbound in config["outbounds"]] == ["direct"]


class TestOutline:
    def test_it_is_as_it_was(self) -> None:
        said = dynamic(holding(wares()))
        assert same_as_golden("outline.json", said)
        assert json.loads(said) == {
            "server": "203.0.113.7",
            "server_port": 8443,
            "password": PASSWORD,
            "method": "chacha20-ietf-poly1305",
        }

    def test_a_prefix_goes_with_it(self) -> None:
        key = replace(wares()[0], url=wares()[0].url.replace("outline=1", "outline=1&prefix=POST%20"))
        assert json.loads(dynamic(holding((key,))))["prefix"] == "POST "

    @pytest.mark.parametrize(
        ("standing", "keys", "coming", "trouble"),
        [
            (Standing.EXPIRED, (), 0, Trouble.ENDED),
            (Standing.FROZEN, (), 0, Trouble.FROZEN),
            (Standing.ACTIVE, (replace(wares()[0], spent=True),), 0, Trouble.SPENT),
            (Standing.ACTIVE, (), 1, Trouble.COMING),
            (Standing.ACTIVE, wares()[1:2], 0, Trouble.NONE),
            (Standing.ACTIVE, wares()[-1:], 0, Trouble.NONE),
        ],
    )
    def test_what_is_wrong_is_said(
        self, standing: Standing, keys: tuple[Access, ...], coming: int, trouble: Trouble
    ) -> None:
        assert dynamic(holding(keys, standing=standing, coming=coming)) is trouble

    @pytest.mark.parametrize("trouble", Trouble)
    @pytest.mark.parametrize("tongue", Language)
    def test_the_app_shows_it_in_the_customer_s_language(self, trouble: Trouble, tongue: Language) -> None:
        text = excuse(trouble, tongue, HELP)
        assert same_as_golden(f"outline-{trouble}.{tongue}.yaml", text)
        error = yaml.safe_load(text)["error"]
        assert error["message"] == WORDS[tongue][f"{trouble}_title"]
        assert error["details"].endswith(HELP)
        assert yaml.safe_load(excuse(trouble, tongue, None))["error"]["details"] == WORDS[tongue][f"{trouble}_why"]

    def test_grace_still_works(self) -> None:
        assert not isinstance(dynamic(holding(wares(), standing=Standing.GRACE)), Trouble)

    def test_the_app_s_link_is_https_or_none(self) -> None:
        assert ssconf(LINK, "A b/#") == f"ssconf{LINK.removeprefix('https')}?format=outline#A%20b%2F%23"
        assert ssconf(LINK.replace("https", "http"), "x") is None


class TestThePage:
    def drawn(self) -> str:
        page = LinkPage(qr=lambda text: f"<svg>{len(text)}</svg>", support_url=HELP, grace=timedelta(1))
        return page.holding(holding(wares()), Language.EN)

    def test_it_is_as_it_was(self) -> None:
        text = self.drawn()
        bare = re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL).replace("><", ">\n<")
        assert same_as_golden("page.html", bare + "\n")

    def test_it_shows_the_link_at_every_address_and_outline_s(self) -> None:
        text = self.drawn()
        token = LINK.rpartition("/")[2]
        for shown in (LINK, MIRROR, f"ssconf://shop.example/s/{token}?format=outline#"):
            assert shown in text

    def test_the_steps_name_an_app_for_each_kind_of_key(self) -> None:
        assert all(f"How to connect: {app}" in self.drawn() for app in ("Outline", "Hiddify"))


@pytest.mark.parametrize(
    ("agent", "accept", "form"),
    [
        ("", "", Format.BASE64),
        ("curl/8.5.0", "*/*", Format.BASE64),
        ("Mozilla/5.0 (iPhone) Safari/604.1", "text/html,*/*", Format.PAGE),
        ("clash-verge/v2.4.0", "*/*", Format.CLASH),
        ("ClashMetaForAndroid/2.11.0.Meta", "", Format.CLASH),
        ("mihomo/1.19.0", "", Format.CLASH),
        ("FlClash/v0.8.90 clash-verge Platform/android", "text/html", Format.CLASH),
        ("Stash/3.0.0 Clash/1.11.0", "", Format.CLASH),
        ("SFA/1.12.0 (Build 560; sing-box 1.12.0; language en_US)", "", Format.SINGBOX),
        ("SFI/1.11.4", "", Format.SINGBOX),
        ("HiddifyNext/2.5.7 (android) like ClashMeta v2ray sing-box", "", Format.BASE64),
        ("v2rayNG/1.10.2", "", Format.BASE64),
        ("Happ/3.13.0 (Windows) like ClashMeta", "", Format.BASE64),
        ("Outline/1.15", "", Format.OUTLINE),
        ("Go-http-client/2.0", "", Format.OUTLINE),
    ],
)
def test_who_asks_gets_what_suits(agent: str, accept: str, form: Format) -> None:
    assert guess({"user-agent": agent, "accept": accept}) is form
