"""sing-box: JSON for version 1.12 and later (https://sing-box.sagernet.org/configuration/)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from veilbot_runners.api.links.proxies import FASTEST, GROUP, Proxy, Scheme

_TUN = {
    "type": "tun",
    "tag": "tun",
    "address": ["172.19.0.1/30", "fdfe:dcba:9876::1/126"],
    "auto_route": True,
    "strict_route": True,
}


def singbox(proxies: Sequence[Proxy]) -> str:
    """Return a configuration with all keys; without any, nothing gets out unprotected."""
    rules: list[Mapping[str, Any]] = [
        {"action": "sniff"},
        {"protocol": "dns", "action": "hijack-dns"},
        {"ip_is_private": True, "outbound": "direct"},
    ]
    servers: list[Mapping[str, Any]] = [{"type": "local", "tag": "local"}]
    final: Mapping[str, str] = {}
    if proxies:
        servers.append({"type": "https", "tag": "remote", "server": "1.1.1.1", "detour": GROUP})
        final = {"final": GROUP}
    else:
        rules.append({"action": "reject"})
    config = {
        "log": {"level": "warn"},
        "dns": {"servers": servers, "final": servers[-1]["tag"]},
        "inbounds": [_TUN],
        "outbounds": [*_groups(proxies), *map(_outbound, proxies), {"type": "direct", "tag": "direct"}],
        # the keys' own names are asked of the network itself, as there is no tunnel before them
        "route": {"rules": rules, **final, "auto_detect_interface": True, "default_domain_resolver": "local"},
    }
    return json.dumps(config, ensure_ascii=False, indent=2) + "\n"


def _groups(proxies: Sequence[Proxy]) -> list[Mapping[str, Any]]:
    tags = [proxy.name for proxy in proxies]
    if not tags:
        return []
    if len(tags) == 1:
        return [{"type": "selector", "tag": GROUP, "outbounds": tags}]
    return [
        {"type": "selector", "tag": GROUP, "outbounds": [FASTEST, *tags]},
        {"type": "urltest", "tag": FASTEST, "outbounds": tags},
    ]


def _outbound(proxy: Proxy) -> Mapping[str, Any]:
    where = {"tag": proxy.name, "server": proxy.host, "server_port": proxy.port}
    match proxy.scheme:
        case Scheme.SHADOWSOCKS:
            return {"type": "shadowsocks", **where, "method": proxy.method, "password": proxy.secret}
        case Scheme.VLESS:
            flow = {"flow": proxy.flow} if proxy.flow else {}
            packets = {} if proxy.xray else {"packet_encoding": ""}  # its default is Xray's alone
            return {"type": "vless", **where, "uuid": proxy.secret, **flow, **packets, **_stream(proxy)}
        case Scheme.VMESS:
            who = {
                "uuid": proxy.secret,
                "security": "aes-128-gcm",
                "alter_id": 0,
            }  # with TLS its "auto" is none; Xray refuses it
            return {"type": "vmess", **where, **who, **_stream(proxy)}
        case Scheme.TROJAN:
            return {"type": "trojan", **where, "password": proxy.secret, **_stream(proxy)}


def _stream(proxy: Proxy) -> Mapping[str, Any]:
    stream: dict[str, Any] = {}
    if proxy.network == "ws":
        headers = {"headers": {"Host": proxy.header}} if proxy.header else {}
        stream["transport"] = {"type": "ws", "path": proxy.path, **headers}
    elif proxy.network == "grpc":
        stream["transport"] = {"type": "grpc", "service_name": proxy.path}
    if proxy.security != "none":
        stream["tls"] = {"enabled": True, "server_name": proxy.server_name, **_disguise(proxy)}
    return stream


def _disguise(proxy: Proxy) -> Mapping[str, Any]:
    said: dict[str, Any] = {}
    if proxy.fingerprint or proxy.security == "reality":  # reality works with uTLS only
        said["utls"] = {"enabled": True, "fingerprint": proxy.fingerprint or "chrome"}
    if proxy.security == "reality":
        said["reality"] = {"enabled": True, "public_key": proxy.public_key, "short_id": proxy.short_id}
    return said
