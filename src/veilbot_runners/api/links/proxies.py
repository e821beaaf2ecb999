"""Share links read back: what an app needs to know of a key, whichever adapter wrote its URL.

ss: SIP002 (https://shadowsocks.org/doc/sip002.html) with Outline's ``outline`` and ``prefix``; vless and trojan:
github.com/XTLS/Xray-core/discussions/716; vmess: base64 of v2rayN's JSON.
"""

import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from veilbot_core.ports.notifier import Access


class Scheme(StrEnum):
    """What begins a share link."""

    SHADOWSOCKS = "ss"
    VLESS = "vless"
    VMESS = "vmess"
    TROJAN = "trojan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """One key as its app must be set up."""

    scheme: Scheme
    name: str
    host: str
    port: int
    secret: str = field(repr=False)
    """UUID of vless and vmess, password of the others."""
    method: str = ""
    """Cipher of shadowsocks."""
    prefix: str = ""
    """What Outline sends first, to look like another protocol."""
    network: str = "tcp"
    """``tcp``, ``ws`` or ``grpc``."""
    path: str = ""
    """Path of ws, service name of grpc."""
    header: str = ""
    """The ``Host`` that ws asks for."""
    security: str = "none"
    """``none``, ``tls`` or ``reality``."""
    sni: str = ""
    fingerprint: str = ""
    public_key: str = ""
    short_id: str = ""
    flow: str = ""

    @property
    def server_name(self) -> str:
        """The name that TLS asks for."""
        return self.sni or self.host

    @property
    def xray(self) -> bool:
        """Whether only Xray can be at the other end."""
        return self.security == "reality" or self.flow != ""


class Unreadable(ValueError):
    """No share link that we know; the message never holds it, as it is a secret."""


def parse(url: str) -> Proxy:
    """Read a share link. Raises Unreadable."""
    scheme = url.partition("://")[0]
    try:
        return _READERS[scheme](url)
    except (KeyError, ValueError, TypeError, RecursionError):
        raise Unreadable("this is no share link that can be shown in another form") from None


def readable(keys: Iterable[Access]) -> list[Proxy]:
    """Return what can be shown in other forms, each under a name of its own; the rest is in the base64 list only."""
    found: dict[str, Proxy] = {}
    for key in keys:
        try:
            proxy = parse(key.url)
        except Unreadable:
            continue
        name, count = key.name, 1
        while name in found or name in _TAKEN:
            count += 1
            name = f"{key.name} {count}"
        found[name] = replace(proxy, name=name)
    return list(found.values())


GROUP, FASTEST = "VPN", "Fastest"
"""Names of the two groups that apps show above the keys."""
_TAKEN = frozenset({GROUP, FASTEST, "DIRECT", "REJECT", "REJECT-DROP", "PASS", "COMPATIBLE", "GLOBAL", "direct"})


def _shadowsocks(url: str) -> Proxy:
    parts = urlsplit(url)
    who = unquote(parts.netloc.rpartition("@")[0])
    if ":" not in who:
        who = urlsafe_b64decode(who.rstrip("=") + "=" * (-len(who.rstrip("=")) % 4)).decode()
    method, _, secret = who.partition(":")
    options = _options(parts)
    if not method or "plugin" in options:
        raise Unreadable
    prefix = options.get("prefix", "")
    return Proxy(scheme=Scheme.SHADOWSOCKS, **_where(parts), secret=_given(secret), method=method, prefix=prefix)


def _vless(url: str) -> Proxy:
    return _xray(Scheme.VLESS, url)


def _trojan(url: str) -> Proxy:
    return _xray(Scheme.TROJAN, url)


def _xray(scheme: Scheme, url: str) -> Proxy:
    parts = urlsplit(url)
    options = _options(parts)
    network = options.get("type", "tcp")
    path = options.get("serviceName", "") if network == "grpc" else options.get("path", "/" if network == "ws" else "")
    return _checked(
        Proxy(
            scheme=scheme,
            **_where(parts),
            secret=_given(unquote(parts.netloc.rpartition("@")[0])),
            network=network,
            path=path,
            header=options.get("host", ""),
            security=options.get("security", "tls" if scheme is Scheme.TROJAN else "none"),
            sni=options.get("sni", ""),
            fingerprint=options.get("fp", ""),
            public_key=options.get("pbk", ""),
            short_id=options.get("sid", ""),
            flow=options.get("flow", ""),
        )
    )


def _vmess(url: str) -> Proxy:
    shown = json.loads(b64decode(url.removeprefix("vmess://"), validate=True))
    if not isinstance(shown, dict):
        raise Unreadable
    said = {name: str(value) for name, value in shown.items()}
    network = said.get("net", "tcp")
    return _checked(
        Proxy(
            scheme=Scheme.VMESS,
            name=said.get("ps", ""),
            host=_given(said["add"]),
            port=_port(int(said["port"])),
            secret=_given(said["id"]),
            network=network,
            path=said.get("path", "") or ("/" if network == "ws" else ""),
            header=said.get("host", ""),
            security=said.get("tls", "") or "none",
            sni=said.get("sni", ""),
            fingerprint=said.get("fp", ""),
        )
    )


def _checked(proxy: Proxy) -> Proxy:
    """Refuse transports that we could not describe to another app."""
    if proxy.network not in {"tcp", "ws", "grpc"} or proxy.security not in {"none", "tls", "reality"}:
        raise Unreadable
    return proxy


def _where(parts: SplitResult) -> Mapping[str, Any]:
    return {"name": unquote(parts.fragment), "host": _given(parts.hostname or ""), "port": _port(parts.port)}


def _options(parts: SplitResult) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


def _given(text: str) -> str:
    if not text:
        raise Unreadable
    return text


def _port(number: int | None) -> int:
    if number is None or not 1 <= number <= 65535:
        raise Unreadable
    return number


_READERS: Mapping[str, Callable[[str], Proxy]] = {
    "ss": _shadowsocks,
    "vless": _vless,
    "vmess": _vmess,
    "trojan": _trojan,
}
