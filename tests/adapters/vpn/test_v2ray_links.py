"""Share links, as clients read them, and the credentials inside."""

import json
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest

from veilbot_adapters.vpn.v2ray_accounts import Flavour, credential, email, remote_id, same_account, user
from veilbot_adapters.vpn.v2ray_links import link
from veilbot_adapters.vpn.v2ray_settings import checked
from veilbot_core.domain.ids import KeyId

KEY = KeyId(UUID("0190b6f2-7b1f-7c3a-8e55-2d41a6c09f11"))
NAME = "Франкфурт 1 / 100 % & #?"
BASE = {"api": "127.0.0.1:1", "inbound": "in", "address": "2606:4700::1111", "port": "443", "secret": "k" * 32}


def settings(**more: str) -> Mapping[str, str]:
    return checked({**BASE, **more}, allow_private=True, local_ports=(), secret=lambda: "")


def test_a_vless_link_over_reality() -> None:
    given = settings(
        security="reality", sni="borrowed.example.com", public_key="A" * 43, short_id="0a", flow="xtls-rprx-vision"
    )
    url = link(KEY, NAME, given)
    parts = urlsplit(url)
    assert url.isascii()
    assert (parts.scheme, parts.username, parts.hostname, parts.port) == (
        "vless",
        credential(KEY, given),
        "2606:4700::1111",
        443,
    )
    assert unquote(parts.fragment) == NAME
    assert {name: value for name, (value,) in parse_qs(parts.query).items()} == {
        "encryption": "none",
        "type": "tcp",
        "security": "reality",
        "sni": "borrowed.example.com",
        "fp": "chrome",
        "pbk": "A" * 43,
        "sid": "0a",
        "flow": "xtls-rprx-vision",
    }


def test_a_path_and_a_host_are_encoded() -> None:
    url = link(KEY, NAME, settings(network="ws", path="/a?b=c&d", host="cdn.example.com", security="tls"))
    assert "path=%2Fa%3Fb%3Dc%26d&host=cdn.example.com&security=tls" in url


def test_a_trojan_link_has_a_password() -> None:
    given = settings(proxy="trojan", security="tls", network="grpc", path="tunnel")
    url = link(KEY, NAME, given)
    assert url.startswith(
        f"trojan://{credential(KEY, given)}@[2606:4700::1111]:443?type=grpc&serviceName=tunnel&mode=gun"
    )
    assert len(credential(KEY, given)) == 40


def test_a_vmess_link_is_json_in_base64_and_never_legacy() -> None:
    given = settings(proxy="vmess", network="ws", path="/x", security="tls", sni="example.com")
    shown = json.loads(b64decode(link(KEY, NAME, given).removeprefix("vmess://")))
    assert shown["aid"] == "0"
    assert (shown["ps"], shown["add"], shown["port"], shown["id"]) == (
        NAME,
        "2606:4700::1111",
        "443",
        credential(KEY, given),
    )
    assert (shown["net"], shown["path"], shown["tls"], shown["sni"]) == ("ws", "/x", "tls", "example.com")


def test_a_shadowsocks_link_is_sip002() -> None:
    given = settings(proxy="shadowsocks", method="chacha20-ietf-poly1305")
    url = link(KEY, NAME, given)
    who = urlsplit(url).username or ""
    assert b64decode(who + "=" * (-len(who) % 4)).decode() == f"chacha20-ietf-poly1305:{credential(KEY, given)}"
    assert "=" not in who


@pytest.mark.parametrize("proxy", ["vless", "vmess"])
def test_a_credential_is_the_same_for_ever_and_nobody_can_guess_it(proxy: str) -> None:
    given = settings(proxy=proxy)
    assert credential(KEY, given) == credential(KEY, settings(proxy=proxy))
    assert credential(KEY, given) != str(KEY)
    assert credential(KEY, given) != credential(KEY, {**given, "secret": "other" * 8})
    assert UUID(credential(KEY, given)).version == 4


def test_an_email_is_lower_case_and_read_back() -> None:
    assert email(KEY) == f"{KEY}@veilbot" == email(KEY).lower()
    assert remote_id(email(KEY)) == str(KEY)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("family@home", "family@home"),
        ("42@veilbot", "42@veilbot"),
        ("\x1b[31m", "\\x1b[31m"),
        ("", ""),
        ("x" * 500, "x" * 100),
        (f"{KEY}@veilbot.", f"{KEY}@veilbot."),
    ],
)
def test_others_are_shown_harmlessly(name: str, shown: str) -> None:
    assert remote_id(name) == shown


@pytest.mark.parametrize("flavour", list(Flavour))
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"proxy": "vmess"},
        {"proxy": "trojan", "security": "tls"},
        {"proxy": "shadowsocks", "method": "aes-128-gcm"},
    ],
)
def test_an_account_has_the_inbounds_type(flavour: Flavour, more: Mapping[str, str]) -> None:
    given = settings(**more)
    made = user(flavour, KEY, given)
    assert made.account.type == f"{flavour}.proxy.{given['proxy']}.Account"
    assert same_account(made, user(flavour, KEY, given))
    assert not same_account(made, user(flavour, KEY, {**given, "secret": "other" * 8}))
