"""Keys as real servers give them: one of every protocol and transport, with secrets that stay the same."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from veilbot_adapters import memory
from veilbot_adapters.vpn.v2ray_links import link
from veilbot_core.domain.ids import KeyId, ServerId, SubscriptionId, TariffId, UserId
from veilbot_core.domain.secret import Sealed, digest
from veilbot_core.domain.subscription import Standing, Subscription
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.ports.notifier import Access
from veilbot_core.services.subscriptions import Holding

KEY = KeyId(UUID("11111111-2222-5333-8444-555555555555"))
OUTLINE = "ss://Y2hhY2hhMjAtaWV0Zi1wb2x5MTMwNTpTM2NyM3RQYXNzdzByZA@203.0.113.7:8443/?outline=1#Amsterdam"
PASSWORD = "S3cr3tPassw0rd"
LINK = "https://shop.example/s/tokentokentokentoken12"
MIRROR = "https://mirror.example/s/tokentokentokentoken12"

_BASE = {"api": "127.0.0.1:1", "inbound": "in", "address": "de.example.com", "port": "443", "secret": "s" * 32}
_TLS = {"security": "tls", "sni": "cdn.example.com"}
_REALITY = {
    "security": "reality",
    "sni": "borrowed.example.com",
    "public_key": "jNXHt1yRo0vDuchQlIP6Z0ZvjT3KtzVI-T4E7RoLJS0",
    "short_id": "12e4",
    "fingerprint": "chrome",
}
_WS = {"network": "ws", "path": "/tunnel?x=1&y", "host": "front.example.com"}
SETTINGS: Mapping[str, Mapping[str, str]] = {
    name: {**_BASE, "network": "tcp", "security": "none", **options}
    for name, options in {
        "Berlin Reality": {"proxy": "vless", **_REALITY, "flow": "xtls-rprx-vision"},
        "Berlin ws": {"proxy": "vless", **_WS, **_TLS, "fingerprint": "firefox"},
        "Berlin plain": {"proxy": "vless", "address": "2001:db8::7"},
        "Мюнхен": {"proxy": "vmess", **_WS, **_TLS},
        "Munich grpc": {"proxy": "vmess", "network": "grpc", "path": "tunnel"},
        "Bonn": {"proxy": "trojan", **_TLS},
        "Bonn grpc": {"proxy": "trojan", "network": "grpc", "path": "tunnel", **_REALITY},
        "VPN": {"proxy": "shadowsocks", "method": "aes-256-gcm"},
        "Amsterdam": {"proxy": "shadowsocks", "method": "xchacha20-ietf-poly1305"},
    }.items()
}


def wares() -> tuple[Access, ...]:
    """Return one key of every kind; two have the same name, and one is called like what apps keep for themselves."""
    outline = Access(name="Amsterdam", country="NL", url=OUTLINE)
    others = (Access(name=name, country="DE", url=link(KEY, name, given)) for name, given in SETTINGS.items())
    return (outline, *others)


def holding(
    keys: tuple[Access, ...], *, standing: Standing = Standing.ACTIVE, coming: int = 0, name: str = "Месяц <b>"
) -> Holding:
    """Return a subscription with these keys."""
    subscription = Subscription(
        id=SubscriptionId(KEY),
        user_id=UserId(KEY),
        tariff_id=TariffId(KEY),
        terms=Terms(name=name, days=30, traffic_limit=10 * 10**9, protocols=(Protocol.OUTLINE, Protocol.V2RAY)),
        country=None,
        token=Sealed(b"sealed"),
        token_digest=digest("token"),
        ends_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
        check_at=None,
        created_at=datetime(2026, 1, 1, 12, tzinfo=UTC),
    )
    return Holding(
        subscription=subscription,
        standing=standing,
        link=LINK,
        keys=keys,
        coming=coming,
        used=5 * 10**9,
        mirrors=(MIRROR,),
    )


class LinkedVpn(memory.MemoryVpn):
    """Servers in memory whose keys have URLs that apps understand."""

    def url(self, server_id: ServerId, key_id: KeyId) -> str:
        """Return an Outline key, or a VLESS key of the server's own."""
        if self.protocol is Protocol.OUTLINE:
            return OUTLINE
        address = f"{str(server_id)[-12:]}.example.com"
        return link(key_id, "Berlin", {**SETTINGS["Berlin Reality"], "address": address})
