"""What an operator may give to reach a V2Ray or Xray server."""

from collections.abc import Collection, Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilbot_adapters.vpn import v2ray_settings
from veilbot_core.domain.errors import InvalidInput
from veilbot_runners.sandbox.certificate import self_signed

BASE = {"api": "127.0.0.1:10085", "inbound": "in", "address": "vpn.example.com", "port": "443"}
PUBLIC = "A" * 43
PAIR = self_signed(b"shop".ljust(32))
TLS = {"cert_sha256": "ab" * 32, "client_cert": PAIR.certificate.decode(), "client_key": PAIR.key.decode()}
REALITY = {"security": "reality", "sni": "example.com", "public_key": PUBLIC}


LOCAL = (10085, 1)


def checked(
    settings: Mapping[str, str], *, allow_private: bool = False, local_ports: Collection[int] = LOCAL
) -> Mapping[str, str]:
    return v2ray_settings.checked(
        settings, allow_private=allow_private, local_ports=local_ports, secret=lambda: "s" * 20
    )


def test_little_is_enough() -> None:
    kept = checked(BASE)
    assert kept == BASE | {
        "flavour": "auto",
        "proxy": "vless",
        "network": "tcp",
        "security": "none",
        "secret": "s" * 20,
    }
    assert checked(kept) == kept


@pytest.mark.parametrize(
    ("name", "value", "normal"),
    [
        ("api", " LOCALHOST:10085 ", "127.0.0.1:10085"),
        ("api", "[::1]:1", "[::1]:1"),
        ("address", "VPN.Example.com.", "vpn.example.com"),
        ("address", "[2606:4700::1111]", "2606:4700::1111"),
        ("proxy", "VMess", "vmess"),
    ],
)
def test_a_value_gets_one_form(name: str, value: str, normal: str) -> None:
    assert checked({**BASE, name: value})[name] == normal


@pytest.mark.parametrize(
    "more",
    [
        {"network": "ws", "path": "/a", "host": "cdn.example.com"},
        {"network": "grpc", "path": "service", "security": "tls"},
        {"security": "tls", "sni": "example.com", "fingerprint": "firefox", "flow": "xtls-rprx-vision"},
        {**REALITY, "short_id": "0a1b", "flow": "xtls-rprx-vision"},
        {"proxy": "vmess", "network": "ws", "security": "tls", "flavour": "v2ray"},
        {"proxy": "trojan", "security": "tls", "flavour": "v2ray"},
        {"proxy": "shadowsocks", "method": "aes-256-gcm", "flavour": "xray"},
    ],
)
def test_what_fits_together_is_taken(more: Mapping[str, str]) -> None:
    kept = checked({**BASE, **more})
    assert more.items() <= kept.items()
    assert checked(kept) == kept


@pytest.mark.parametrize(
    ("field", "more"),
    [
        *(("api", {"api": api}) for api in ("", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":1", "a b:1", "x:1:2")),
        *(("api", {"api": api}) for api in ("8.8.8.8:443", "vpn.example.com:443", "10.0.0.1:1", "0.0.0.0:1")),
        ("api", {"api": "10.0.0.1:443", **TLS}),
        *(("inbound", {"inbound": tag}) for tag in ("", "a b", "x" * 101, "\x1b")),
        *(("address", {"address": host}) for host in ("", "a b", "https://x", "x:443")),
        *(("port", {"port": port}) for port in ("", "0", "65536", "-1", "443.0", "٤٤٣")),
        ("flavour", {"flavour": "sing-box"}),
        ("proxy", {"proxy": "hysteria"}),
        ("proxy", {"proxy": "shadowsocks", "method": "aes-128-gcm", "flavour": "v2ray"}),
        ("method", {"proxy": "shadowsocks"}),
        ("method", {"method": "aes-128-gcm"}),
        ("security", {"proxy": "trojan"}),
        ("security", {**REALITY, "proxy": "vmess"}),
        ("security", {**REALITY, "flavour": "v2ray"}),
        ("public_key", {"security": "reality", "sni": "example.com"}),
        ("sni", {"security": "reality", "public_key": PUBLIC}),
        ("sni", {"sni": "example.com"}),
        ("short_id", {"short_id": "0a"}),
        ("short_id", {**REALITY, "short_id": "abc"}),
        ("network", {**REALITY, "network": "ws"}),
        ("path", {"network": "ws", "path": "no-slash"}),
        ("path", {"network": "grpc"}),
        ("path", {"path": "/x"}),
        ("flow", {"flow": "xtls-rprx-vision"}),
        ("flow", {"flow": "xtls-rprx-direct", "security": "tls"}),
        ("token", {"token": "x"}),
        ("port", {"port": 443}),
        ("cert_sha256", {**TLS, "cert_sha256": "zz"}),
        ("client_cert", {**TLS, "client_cert": "no PEM"}),
        ("client_key", {**TLS, "client_key": "no PEM"}),
        ("client_key", {**TLS, "client_key": self_signed(b"other".ljust(32)).key.decode()}),
        ("client_key", {"cert_sha256": "ab" * 32, "client_cert": TLS["client_cert"]}),
    ],
)
def test_what_reaches_nothing_is_refused_by_name(field: str, more: Mapping[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked({**BASE, **more})
    assert caught.value.field == field


def test_an_api_outside_needs_a_proxy_that_asks_who_we_are() -> None:
    with pytest.raises(InvalidInput, match="client certificate"):
        checked({**BASE, "api": "vpn.example.com:8443"})
    kept = checked({**BASE, "api": "vpn.example.com:8443", **TLS, "cert_sha256": ":".join(["AB"] * 32)})
    assert kept["cert_sha256"] == "ab" * 32
    assert checked(kept) == kept
    assert checked({**BASE, "api": "10.0.0.1:443", **TLS}, allow_private=True)["api"] == "10.0.0.1:443"


@pytest.mark.parametrize("api", ["127.0.0.1:22", "localhost:6379", "[::1]:22", "127.0.0.2:22", "127.0.0.1.:22"])
@pytest.mark.parametrize("more", [{}, TLS], ids=["plain", "behind-a-proxy"])
def test_of_this_machine_only_the_ports_are_called_that_the_operator_named(api: str, more: Mapping[str, str]) -> None:
    port = int(api.rpartition(":")[2])
    for ports in ((), (10085,)):
        with pytest.raises(InvalidInput, match=f"add {port} to VEILBOT_LOCAL_API_PORTS") as caught:
            checked({**BASE, **more, "api": api}, local_ports=ports)
        assert caught.value.field == "api"
    assert checked({**BASE, **more, "api": api}, local_ports=(10085, port))
    assert checked({**BASE, **more, "api": api}, local_ports=(), allow_private=True)


def test_the_ports_of_this_machine_open_no_other_machine() -> None:
    for api in ("10.0.0.1:10085", "[fe80::1]:10085", "intern.local:10085"):
        with pytest.raises(InvalidInput, match="private network"):
            checked({**BASE, **TLS, "api": api})


def test_the_secret_stays() -> None:
    assert checked({**BASE, "secret": "k" * 30})["secret"] == "k" * 30


_NAMES = st.sampled_from([*BASE, *v2ray_settings.CHOICES, "sni", "path", "host", "public_key", "method", "cert_sha256"])


@given(st.dictionaries(_NAMES, st.text()))
def test_any_text_is_taken_or_refused(typed: Mapping[str, str]) -> None:
    with suppress(InvalidInput):
        kept = checked({**BASE, **typed})
        assert checked(kept) == kept
