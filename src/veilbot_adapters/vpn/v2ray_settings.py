"""What an operator gives to reach a V2Ray or Xray server and to describe its inbound, checked."""

import re
from collections.abc import Callable, Collection, Mapping

from veilbot_adapters.addresses import INSIDE, is_host, is_public, literal
from veilbot_adapters.vpn.v2ray_tls import check_pair
from veilbot_core.domain.errors import InvalidInput

CHOICES: Mapping[str, tuple[str, ...]] = {
    "flavour": ("auto", "v2ray", "xray"),
    "proxy": ("vless", "vmess", "trojan", "shadowsocks"),
    "network": ("tcp", "ws", "grpc"),
    "security": ("none", "tls", "reality"),
}
"""Fields with few values; the first is what stands for nothing."""
METHODS: Mapping[str, int] = {
    "aes-128-gcm": 5,
    "aes-256-gcm": 6,
    "chacha20-ietf-poly1305": 7,
    "xchacha20-ietf-poly1305": 8,
}
"""Ciphers of shadowsocks and Xray's numbers for them (``proxy/shadowsocks/config.proto``)."""
VISION = "xtls-rprx-vision"
TLS = ("cert_sha256", "client_cert", "client_key")
"""What an API behind a TLS proxy needs."""

_PLAIN: Mapping[str, re.Pattern[str]] = {
    "sni": re.compile(r"[A-Za-z0-9.:_-]{1,253}"),
    "host": re.compile(r"[A-Za-z0-9.:_-]{1,253}"),
    "path": re.compile(r"[!-~]{1,500}"),
    "fingerprint": re.compile(r"[a-z0-9]{1,20}"),
    "public_key": re.compile(r"[A-Za-z0-9_-]{43}"),
    "short_id": re.compile(r"([0-9a-f]{2}){0,8}"),
    "flow": re.compile(re.escape(VISION)),
    "method": re.compile("|".join(METHODS)),
    "secret": re.compile(r"[A-Za-z0-9_-]{20,200}"),
}
_OWN = {"api", "inbound", "address", "port", *CHOICES, *_PLAIN, *TLS}
_LOOPBACK = {"localhost": "127.0.0.1"}


def checked(
    given: Mapping[str, str], *, allow_private: bool, local_ports: Collection[int], secret: Callable[[], str]
) -> Mapping[str, str]:
    """Return the settings in one normal form, empty ones left out.

    An API on this machine is at one of ``local_ports``, or anywhere if ``allow_private``: whoever may add servers is
    not to find out what else listens here. ``secret`` makes the one from which the server's credentials are derived,
    if ``given`` has none yet.

    Raises:
        InvalidInput: naming the field.
    """
    for name, value in given.items():
        if name not in _OWN or not isinstance(value, str):
            raise InvalidInput("a V2Ray server has no such setting", field=name)
    said = {name: value.strip() for name, value in given.items() if value.strip()}
    kept = {
        "api": _api(said.get("api", ""), proxied=any(name in said for name in TLS)),
        "inbound": _matching(said, "inbound", re.compile(r"[!-~]{1,100}")),
        "address": _address(said.get("address", "")),
        "port": str(_port(said.get("port", ""), "port")),
        **{name: _choice(said, name) for name in CHOICES},
        **{name: _matching(said, name, form) for name, form in _PLAIN.items() if name in said},
        **_tls(said),
    }
    _fits(kept)
    if not allow_private:
        _check_outside(*host_port(kept["api"]), local_ports)
    if kept["security"] == "reality":
        kept.setdefault("fingerprint", "chrome")
    kept.setdefault("secret", secret())
    return kept


def host_port(api: str) -> tuple[str, int]:
    """Split HOST:PORT or [HOST]:PORT."""
    host, _, port = api.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _api(text: str, *, proxied: bool) -> str:
    host, colon, port = text.rpartition(":")
    host = host.lower().removeprefix("[").removesuffix("]").rstrip(".")
    host = _LOOPBACK.get(host, host)
    if not colon or not is_host(host):
        raise InvalidInput("api is HOST:PORT of the core's gRPC API", field="api")
    number = _port(port, "api")
    address = literal(host)
    if not proxied and (address is None or not address.is_loopback):
        raise InvalidInput(
            "the API has no password of its own: use it over loopback (a tunnel), or behind a TLS proxy that asks"
            " for a client certificate, and give cert_sha256, client_cert and client_key",
            field="api",
        )
    return f"{f'[{host}]' if ':' in host else host}:{number}"


def _check_outside(host: str, port: int, local_ports: Collection[int]) -> None:
    """Refuse a host inside our own network, and on this machine every port that is not one of ``local_ports``."""
    address = literal(host)
    if address is not None and address.is_loopback:
        if port not in local_ports:
            raise InvalidInput(
                f"the API is on this machine: add {port} to VEILBOT_LOCAL_API_PORTS, which names the ports that may be"
                " called here",
                field="api",
            )
    elif not is_public(host):
        raise InvalidInput(f"the host in api is inside {INSIDE}", field="api")


def _address(text: str) -> str:
    host = text.lower().removeprefix("[").removesuffix("]").rstrip(".")
    if not is_host(host):
        raise InvalidInput("address is the name or address that customers connect to", field="address")
    return host


def _port(text: str, field: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise InvalidInput("a port is 1 to 65535", field=field)
    return int(text)


def _choice(said: Mapping[str, str], name: str) -> str:
    value = said.get(name, CHOICES[name][0]).lower()
    if value not in CHOICES[name]:
        raise InvalidInput(f"{name} is one of {', '.join(CHOICES[name])}", field=name)
    return value


def _matching(said: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = said.get(name, "")
    if not form.fullmatch(value):
        raise InvalidInput(f"{name} is missing or has another form", field=name)
    return value


def _tls(said: Mapping[str, str]) -> Mapping[str, str]:
    if not any(name in said for name in TLS):
        return {}
    for name in TLS:
        if name not in said:
            raise InvalidInput(f"an API behind TLS needs {', '.join(TLS)}", field=name)
    digits = re.sub(r"[:\s]", "", said["cert_sha256"]).lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise InvalidInput("cert_sha256 is 64 hexadecimal digits, with or without colons", field="cert_sha256")
    check_pair(said["client_cert"], said["client_key"])
    return {"cert_sha256": digits, "client_cert": said["client_cert"], "client_key": said["client_key"]}


def _fits(kept: Mapping[str, str]) -> None:
    """Refuse combinations that no client could use."""
    proxy, network, security = kept["proxy"], kept["network"], kept["security"]
    old = kept["flavour"] == "v2ray"
    rules = [
        ("proxy", proxy == "shadowsocks" and old, "V2Ray cannot manage users of shadowsocks; Xray can"),
        ("network", proxy == "shadowsocks" and network != "tcp", "shadowsocks goes over tcp"),
        ("security", proxy == "shadowsocks" and security != "none", "shadowsocks brings its own encryption"),
        ("method", (proxy == "shadowsocks") != ("method" in kept), "shadowsocks has a method, the others have none"),
        ("security", proxy == "trojan" and security == "none", "trojan hides in TLS: security is tls or reality"),
        ("security", security == "reality" and (old or proxy == "vmess"), "reality is Xray's, for vless and trojan"),
        ("network", security == "reality" and network == "ws", "reality goes over tcp or grpc"),
        ("public_key", (security == "reality") != ("public_key" in kept), "reality has a public key, the others none"),
        ("short_id", security != "reality" and "short_id" in kept, "only reality has a short id"),
        ("sni", security == "reality" and "sni" not in kept, "reality needs the name that it borrows: sni"),
        ("sni", security == "none" and "sni" in kept, "without TLS there is no sni"),
        ("fingerprint", security == "none" and "fingerprint" in kept, "without TLS there is no fingerprint"),
        ("host", network != "ws" and "host" in kept, "only ws has a host"),
        ("path", network == "tcp" and "path" in kept, "tcp has no path"),
        ("path", network == "grpc" and "path" not in kept, "grpc needs its service name as path"),
        ("path", network == "ws" and not kept.get("path", "/").startswith("/"), "a path begins with a slash"),
        ("flow", "flow" in kept and (proxy, network) != ("vless", "tcp"), "flow is for vless over tcp"),
        ("flow", "flow" in kept and (old or security == "none"), "flow is Xray's, inside tls or reality"),
    ]
    for field, broken, says in rules:
        if broken:
            raise InvalidInput(says, field=field)
