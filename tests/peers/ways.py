"""Protocols and transports, as an operator describes and configures them."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from tests.peers.certificates import write

from veilbot_runners.sandbox.certificate import Certificate


@dataclass(frozen=True, kw_only=True)
class Way:
    """A protocol and its transport; ``client`` is the core inside the app, if it is another one than the server's."""

    server: str
    proxy: str
    client: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = [self.options.get(name, "") for name in ("network", "security", "flow", "method")]
        return "-".join(part for part in (self.server, self.proxy, *shown, self.client) if part)


WS = {"network": "ws", "path": "/tunnel/7", "host": "cdn.example.com"}
TLS = {"security": "tls", "sni": "127.0.0.1"}
REALITY = {"security": "reality", "sni": "borrowed.example.com", "short_id": "0a1b"}
WAYS = [
    *(Way(server=core, proxy="vless") for core in ("v2ray", "xray")),
    *(Way(server=core, proxy="vless", options=WS) for core in ("v2ray", "xray")),
    *(Way(server=core, proxy="vless", options=TLS) for core in ("v2ray", "xray")),
    *(Way(server=core, proxy="vmess") for core in ("v2ray", "xray")),
    *(Way(server=core, proxy="vmess", options=WS | TLS) for core in ("v2ray", "xray")),
    *(Way(server=core, proxy="trojan", options=TLS) for core in ("v2ray", "xray")),
    Way(server="xray", proxy="vless", options=REALITY | {"flow": "xtls-rprx-vision"}),
    Way(server="xray", proxy="vless", options=REALITY | {"network": "grpc", "path": "tunnel"}),
    Way(server="xray", proxy="trojan", options=REALITY),
    Way(server="xray", proxy="trojan", options=REALITY | {"network": "grpc", "path": "tunnel"}),
    Way(server="xray", proxy="vless", options=TLS | {"network": "grpc", "path": "tunnel"}),
    Way(server="xray", proxy="shadowsocks", options={"method": "aes-256-gcm"}),
    Way(server="xray", proxy="shadowsocks", options={"method": "chacha20-ietf-poly1305"}, client="v2ray"),
    Way(server="xray", proxy="vmess", client="v2ray"),
]


def reality_pair() -> tuple[str, str]:
    """Make REALITY's keys, private and public: X25519, raw, base64url without padding."""
    key, raw = X25519PrivateKey.generate(), serialization.Encoding.Raw
    private = key.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    public = key.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
    return _text(private), _text(public)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def stream(way: Way, certificate: Certificate, private: str, borrowed: int, folder: Path) -> Mapping[str, Any]:
    """Return the inbound's transport; REALITY borrows the face of the site on port ``borrowed``."""
    options = way.options
    made: dict[str, Any] = {"network": options.get("network", "tcp"), "security": options.get("security", "none")}
    if made["network"] == "ws":
        made["wsSettings"] = {"path": options["path"]}
    if made["network"] == "grpc":
        made["grpcSettings"] = {"serviceName": options["path"]}
    if made["security"] == "tls":
        shown, key = write(certificate, folder, "inbound")
        made["tlsSettings"] = {"certificates": [{"certificateFile": str(shown), "keyFile": str(key)}]}
    if made["security"] == "reality":
        made["realitySettings"] = {
            "target": f"127.0.0.1:{borrowed}",
            "serverNames": [options["sni"]],
            "privateKey": private,
            "shortIds": [options["short_id"]],
        }
    return made
