"""Share links, as clients of V2Ray and Xray read them.

vless and trojan: github.com/XTLS/Xray-core/discussions/716; vmess: base64 of v2rayN's JSON; ss: SIP002.
"""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from veilbot_adapters.vpn.v2ray_accounts import credential
from veilbot_core.domain.ids import KeyId


def link(key_id: KeyId, name: str, settings: Mapping[str, str]) -> str:
    """Return a key's access URL (a secret), named for apps to show."""
    proxy, secret = settings["proxy"], credential(key_id, settings)
    if proxy == "vmess":
        return _vmess(secret, name, settings)
    host = settings["address"]
    where = f"{f'[{host}]' if ':' in host else host}:{settings['port']}"
    if proxy == "shadowsocks":
        who = urlsafe_b64encode(f"{settings['method']}:{secret}".encode()).decode().rstrip("=")
        return f"ss://{who}@{where}#{quote(name, safe='')}"
    options = {"encryption": "none"} if proxy == "vless" else {}
    query = urlencode({**options, **_transport(settings), **_security(settings)}, quote_via=quote, safe="")
    return f"{proxy}://{secret}@{where}?{query}#{quote(name, safe='')}"


def _transport(settings: Mapping[str, str]) -> Mapping[str, str]:
    network = settings["network"]
    if network == "ws":
        host = {"host": settings["host"]} if "host" in settings else {}
        return {"type": "ws", "path": settings.get("path", "/"), **host}
    if network == "grpc":
        return {"type": "grpc", "serviceName": settings["path"], "mode": "gun"}
    return {"type": "tcp"}


def _security(settings: Mapping[str, str]) -> Mapping[str, str]:
    names = {"sni": "sni", "fingerprint": "fp", "public_key": "pbk", "short_id": "sid", "flow": "flow"}
    rest = {short: settings[name] for name, short in names.items() if name in settings}
    return {"security": settings["security"], **rest}


def _vmess(secret: str, name: str, settings: Mapping[str, str]) -> str:
    network = settings["network"]
    shown = {
        "v": "2",
        "ps": name,
        "add": settings["address"],
        "port": settings["port"],
        "id": secret,
        "aid": "0",
        "scy": "aes-128-gcm",  # inside TLS some apps take "auto" as none, which Xray 26 refuses
        "net": network,
        "type": "gun" if network == "grpc" else "none",
        "host": settings.get("host", ""),
        "path": settings.get("path", "/" if network == "ws" else ""),
        "tls": "tls" if settings["security"] == "tls" else "",
        "sni": settings.get("sni", ""),
        "fp": settings.get("fingerprint", ""),
    }
    return "vmess://" + b64encode(json.dumps(shown, separators=(",", ":")).encode()).decode()
