"""A customer's app: a real core that is configured from nothing but a share link."""

import asyncio
import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
from tests.peers.cores import PAGE, PATIENCE, Core, ended, free_port

TIMEOUT = 8.0


def outbound(url: str, flavour: str, certificate_sha256: str) -> Mapping[str, Any]:
    """Read a share link as an app does."""
    scheme = url.partition("://")[0]
    if scheme == "vmess":
        it = json.loads(b64decode(url.removeprefix("vmess://")))
        user = {"id": it["id"], "alterId": int(it["aid"]), "security": it["scy"]}
        settings: dict[str, Any] = {"vnext": [{"address": it["add"], "port": int(it["port"]), "users": [user]}]}
        options = {"type": it["net"], "security": it["tls"], "sni": it["sni"], "path": it["path"], "host": it["host"]}
        return _out(scheme, settings, options, flavour, certificate_sha256)
    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    where = {"address": parts.hostname, "port": parts.port}
    who = unquote(parts.username or "")
    if scheme == "ss":
        method, _, password = urlsafe_b64decode(who + "=" * (-len(who) % 4)).decode().partition(":")
        servers = {"servers": [{**where, "method": method, "password": password}]}
        return _out("shadowsocks", servers, {}, flavour, certificate_sha256)
    if scheme == "trojan":
        return _out(scheme, {"servers": [{**where, "password": who}]}, options, flavour, certificate_sha256)
    assert scheme == "vless", url
    user = {"id": who, "encryption": options["encryption"]} | ({"flow": options["flow"]} if "flow" in options else {})
    return _out(scheme, {"vnext": [{**where, "users": [user]}]}, options, flavour, certificate_sha256)


def _out(
    protocol: str, settings: Mapping[str, Any], options: Mapping[str, str], flavour: str, pin: str
) -> Mapping[str, Any]:
    stream: dict[str, Any] = {"network": options.get("type", "tcp"), "security": options.get("security") or "none"}
    if stream["network"] == "ws":
        host = {"headers": {"Host": options["host"]}} if flavour == "v2ray" else {"host": options["host"]}
        stream["wsSettings"] = {"path": options["path"]} | (host if options.get("host") else {})
    if stream["network"] == "grpc":
        stream["grpcSettings"] = {"serviceName": options.get("serviceName") or options["path"]}
    if stream["security"] == "tls":
        trust: dict[str, Any] = {"allowInsecure": True} if flavour == "v2ray" else {"pinnedPeerCertSha256": pin.lower()}
        stream["tlsSettings"] = trust | {"serverName": options.get("sni") or "127.0.0.1"}
    if stream["security"] == "reality":
        stream["realitySettings"] = {
            "serverName": options["sni"],
            "publicKey": options["pbk"],
            "shortId": options.get("sid", ""),
            "fingerprint": options["fp"],
        }
    return {"protocol": protocol, "settings": settings, "streamSettings": stream}


class App:
    """An app that is connected with one link."""

    def __init__(self, core: Core, port: int, site: int) -> None:
        self._core = core
        self._url = f"http://127.0.0.1:{site}/"
        self._proxy = f"http://127.0.0.1:{port}"

    def log(self) -> str:
        """Return what the app has said."""
        return self._core.log()

    async def reads(self) -> bool:
        """Say whether it can fetch the page behind the tunnel."""
        assert self._core.alive
        try:
            async with httpx.AsyncClient(proxy=self._proxy, timeout=TIMEOUT, trust_env=False) as http:
                return (await http.get(self._url)).content == PAGE
        except httpx.TransportError:
            return False

    async def eventually_reads(self, *, within: float = PATIENCE) -> bool:
        """Say whether it can within some seconds."""
        async with asyncio.timeout(within):
            while not await self.reads():  # noqa: ASYNC110 (a tunnel tells nobody when it is back)
                await asyncio.sleep(0.1)
        return True


@asynccontextmanager
async def app(url: str, flavour: str, folder: Path, *, site: int, pin: str = "") -> AsyncIterator[App]:
    """Start an app with a link; ``pin`` is the server's certificate, where nobody vouches for it."""
    port = free_port()
    door = {"listen": "127.0.0.1", "port": port, "protocol": "http", "settings": {}}
    config = {"log": {"loglevel": "info"}, "inbounds": [door], "outbounds": [outbound(url, flavour, pin)]}
    core = Core(flavour=flavour, config=config, folder=folder, listens=port)
    with ended(core):
        yield App(await core.up(), port, site)
