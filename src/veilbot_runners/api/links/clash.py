"""Clash: YAML for mihomo and the apps built on it (https://wiki.metacubex.one/en/config/)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from veilbot_runners.api.links.proxies import FASTEST, GROUP, Proxy, Scheme

_PLAIN = re.compile(r"[A-Za-z][A-Za-z-]*")
_HOME = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
_CHECK = {"type": "url-test", "url": "https://www.gstatic.com/generate_204", "interval": 300, "tolerance": 50}


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # PyYAML comes without types
    """Quotes every text that is not a plain word: ``12e4`` is text to PyYAML and a number to the apps' YAML 1.2."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base class names it
        """Write things out twice, as not every app knows anchors."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _PLAIN.fullmatch(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(content: Mapping[str, Any]) -> str:
    """Write YAML that every reader understands in the same way."""
    return str(yaml.dump(content, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10_000))


def clash(proxies: Sequence[Proxy]) -> str:
    """Return a configuration with all keys; without any, nothing gets out unprotected."""
    names = [proxy.name for proxy in proxies]
    several = len(names) > 1
    groups: list[Mapping[str, Any]] = [
        {"name": GROUP, "type": "select", "proxies": [*([FASTEST] if several else []), *names] or ["REJECT"]}
    ]
    if several:
        groups.append({"name": FASTEST, **_CHECK, "proxies": names})
    home = [f"IP-CIDR,{network},DIRECT,no-resolve" for network in _HOME]
    return dump(
        {
            "mixed-port": 7890,
            "allow-lan": False,
            "mode": "rule",
            "log-level": "warning",
            "proxies": [_proxy(proxy) for proxy in proxies],
            "proxy-groups": groups,
            "rules": [*home, f"MATCH,{GROUP}"],
        }
    )


def _proxy(proxy: Proxy) -> Mapping[str, Any]:
    where = {"name": proxy.name, "type": proxy.scheme.value, "server": proxy.host, "port": proxy.port, "udp": True}
    match proxy.scheme:
        case Scheme.SHADOWSOCKS:
            return {**where, "cipher": proxy.method, "password": proxy.secret}
        case Scheme.VLESS:
            flow = {"flow": proxy.flow} if proxy.flow else {}
            packets = {"packet-encoding": "xudp"} if proxy.xray else {}  # V2Ray does not know it
            return {**where, "uuid": proxy.secret, **flow, **packets, **_transport(proxy), **_tls(proxy)}
        case Scheme.VMESS:
            who = {"uuid": proxy.secret, "alterId": 0, "cipher": "aes-128-gcm"}
            return {**where, **who, **_transport(proxy), **_tls(proxy)}
        case Scheme.TROJAN:
            return {**where, "password": proxy.secret, **_transport(proxy), **_tls(proxy)}


def _transport(proxy: Proxy) -> Mapping[str, Any]:
    if proxy.network == "ws":
        headers = {"headers": {"Host": proxy.header}} if proxy.header else {}
        return {"network": "ws", "ws-opts": {"path": proxy.path, **headers}}
    if proxy.network == "grpc":
        return {"network": "grpc", "grpc-opts": {"grpc-service-name": proxy.path}}
    return {"network": "tcp"}


def _tls(proxy: Proxy) -> Mapping[str, Any]:
    if proxy.security == "none":
        return {}
    # trojan is TLS by itself, and calls the name otherwise
    said: dict[str, Any] = (
        {"sni": proxy.server_name} if proxy.scheme is Scheme.TROJAN else {"tls": True, "servername": proxy.server_name}
    )
    if proxy.fingerprint:
        said["client-fingerprint"] = proxy.fingerprint
    if proxy.security == "reality":
        said["reality-opts"] = {"public-key": proxy.public_key, "short-id": proxy.short_id}
    return said
