"""Share links: what one adapter writes, every form reads back."""

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runners.api.wares import OUTLINE, PASSWORD, SETTINGS, wares

from veilbot_adapters.vpn.v2ray_accounts import credential
from veilbot_adapters.vpn.v2ray_links import link
from veilbot_adapters.vpn.v2ray_settings import METHODS, checked
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.notifier import Access
from veilbot_runners.api.links.proxies import Proxy, Scheme, Unreadable, parse, readable

_SCHEMES = {"shadowsocks": Scheme.SHADOWSOCKS} | {scheme.value: scheme for scheme in Scheme}
_HOSTS = st.sampled_from(["203.0.113.9", "2001:db8::1", "de.example.com", "xn--e1afmkfd.example"])
_NAMES = st.text(min_size=1, max_size=64).filter(str.isprintable)
_PATHS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
_REALITY = st.fixed_dictionaries(
    {
        "security": st.just("reality"),
        "sni": st.just("borrowed.example.com"),
        "public_key": st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True),
    },
    optional={
        "short_id": st.from_regex(r"([0-9a-f]{2}){1,8}", fullmatch=True),
        "fingerprint": st.just("ios"),
    },
)
_TLS = st.fixed_dictionaries(
    {"security": st.just("tls")},
    optional={"sni": st.sampled_from(["cdn.example.com", "203.0.113.9"]), "fingerprint": st.just("firefox")},
)
_NONE = st.just({"security": "none"})
_WS = st.fixed_dictionaries(
    {"network": st.just("ws")}, optional={"path": _PATHS.map(lambda path: f"/{path}"), "host": st.just("a.example")}
)
_GRPC = st.fixed_dictionaries({"network": st.just("grpc"), "path": _PATHS})
_TCP = st.just({"network": "tcp"})


@st.composite
def settings(draw: st.DrawFn) -> dict[str, str]:
    """Draw what an operator may give of an inbound."""
    proxy = draw(st.sampled_from(["vless", "vmess", "trojan", "shadowsocks"]))
    said: dict[str, str] = {"proxy": proxy, "api": "127.0.0.1:1", "inbound": "in", "address": draw(_HOSTS)}
    said["port"] = str(draw(st.integers(1, 65535)))
    if proxy == "shadowsocks":
        return said | {"method": draw(st.sampled_from(sorted(METHODS)))}
    transport: dict[str, Any] = draw(st.one_of(_TCP, _WS, _GRPC))
    secure = [_TLS]
    secure += [_NONE] if proxy != "trojan" else []
    secure += [_REALITY] if proxy != "vmess" and transport["network"] != "ws" else []
    said |= transport | draw(st.one_of(*secure))
    if proxy == "vless" and transport["network"] == "tcp" and said["security"] != "none" and draw(st.booleans()):
        said["flow"] = "xtls-rprx-vision"
    return said


def expected(key_id: KeyId, name: str, kept: dict[str, str]) -> Proxy:
    """Return what the settings mean to an app."""
    return Proxy(
        scheme=_SCHEMES[kept["proxy"]],
        name=name,
        host=kept["address"],
        port=int(kept["port"]),
        secret=credential(key_id, kept),
        method=kept.get("method", ""),
        network=kept["network"],
        path=kept.get("path", "/" if kept["network"] == "ws" else ""),
        header=kept.get("host", ""),
        security=kept["security"],
        sni=kept.get("sni", ""),
        fingerprint=kept.get("fingerprint", ""),
        public_key=kept.get("public_key", ""),
        short_id=kept.get("short_id", ""),
        flow=kept.get("flow", ""),
    )


@given(settings(), st.uuids(), _NAMES)
def test_what_a_v2ray_server_writes_is_read_back(said: dict[str, str], number: UUID, name: str) -> None:
    kept = dict(checked(said, allow_private=True, local_ports=(), secret=lambda: "s" * 32))
    assert parse(link(KeyId(number), name, kept)) == expected(KeyId(number), name, kept)


@given(st.sampled_from(["chacha20-ietf-poly1305", "aes-256-gcm"]), st.text(min_size=1), _HOSTS, st.text())
def test_outline_s_keys_are_read_back(method: str, secret: str, host: str, prefix: str) -> None:
    try:
        who = f"{method}:{secret}".encode()
    except UnicodeEncodeError:  # half a character, which no password is made of
        return
    shown = f"[{host}]" if ":" in host else host
    for user in (urlsafe_b64encode(who).decode().rstrip("="), quote(who, safe="")):
        options = f"outline=1&prefix={quote(prefix.encode('utf-8', 'replace'), safe='')}"
        proxy = parse(f"ss://{user}@{shown}:8443/?{options}#Amsterdam")
        assert (proxy.method, proxy.secret, proxy.host, proxy.port) == (method, secret, host, 8443)
        assert proxy.name == "Amsterdam"


def test_a_prefix_keeps_its_bytes() -> None:
    assert parse(OUTLINE.replace("outline=1", "outline=1&prefix=POST%20%01")).prefix == "POST \x01"


def _vmess(**changes: object) -> str:
    shown = {"add": "de.example.com", "port": 443, "id": "x", "net": "tcp", "tls": ""} | changes
    return "vmess://" + b64encode(json.dumps(shown).encode()).decode()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mem://outline/1/2",
        "ss://",
        "ss://@203.0.113.7:1",
        "ss://!!!@203.0.113.7:1",
        "ss://YWVz@203.0.113.7:1",
        "ss://YWVzOg@203.0.113.7:1",
        OUTLINE.replace(":8443", ""),
        OUTLINE.replace(":8443", ":0"),
        OUTLINE.replace(":8443", ":99999"),
        OUTLINE.replace("outline=1", "plugin=v2ray-plugin"),
        OUTLINE.replace("203.0.113.7", "[nonsense"),
        "vless://id@:443",
        "vless://@de.example.com:443",
        "vless://id@de.example.com:443?type=kcp",
        "vless://id@de.example.com:443?security=xtls",
        "vmess://nonsense",
        "vmess://" + b64encode(b"[]").decode(),
        "vmess://" + b64encode(b"[" * 100_000).decode(),
        _vmess(port="x"),
        _vmess(port=0),
        _vmess(id=""),
        _vmess(net="quic"),
        "http://de.example.com",
    ],
)
def test_what_is_no_share_link_is_refused_without_a_word_of_it(url: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(url)
    assert caught.value.__cause__ is None
    assert not url[5:] or url[5:] not in str(caught.value)


@given(st.text(), st.sampled_from(["ss://", "vless://", "vmess://", "trojan://", ""]))
def test_nothing_breaks_the_reader(text: str, scheme: str) -> None:
    try:
        proxy = parse(scheme + text)
    except Unreadable:
        return
    assert 1 <= proxy.port <= 65535


def test_a_proxy_does_not_show_its_secret() -> None:
    assert PASSWORD not in repr(parse(OUTLINE))
    assert parse(OUTLINE).secret == PASSWORD


def test_every_key_has_a_name_of_its_own() -> None:
    names = [proxy.name for proxy in readable(wares())]
    assert len(set(names)) == len(names) == len(SETTINGS) + 1
    assert {"Amsterdam", "Amsterdam 2", "VPN 2"} <= set(names)


def test_what_cannot_be_read_is_left_out() -> None:
    strange = Access(name="x", country="NL", url="wireguard://secret")
    assert len(readable([strange, *wares()])) == len(SETTINGS) + 1
