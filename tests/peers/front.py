"""The proxy of ``deploy/nginx``, run by the real nginx; ports, certificate and what stands behind are the test's."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.peers.certificates import certificate, write
from tests.peers.cores import free_port, listening, program

CONFIG = Path(__file__).parents[2] / "deploy" / "nginx"
GROUPS = ("bots", "webhooks", "links", "users", "billing", "vpn", "admin")
_PLAIN = "server {{ listen 127.0.0.1:{port}; {more} include routes.conf; }}\n"
_UPSTREAM = "upstream {name} {{ {servers} keepalive 32; keepalive_timeout 4s; }}\n"


@dataclass(frozen=True, kw_only=True)
class Front:
    """A running proxy."""

    plain: int
    """A door without TLS, which is ours."""
    tls: int
    redirects: int
    folder: Path

    @property
    def log(self) -> str:
        """What it has written, to whichever log."""
        return (self.folder / "nginx.log").read_text(encoding="utf-8")


def command(folder: Path, *more: str) -> list[str]:
    """Return how nginx is called with the configuration in a folder."""
    directives = f"daemon off; pid {folder}/nginx.pid;"
    return [program("nginx"), "-c", str(folder / "nginx.conf"), "-e", "stderr", "-g", directives, *more]


def certify(folder: Path) -> None:
    """Make the certificate that the configuration asks for."""
    (folder / "tls").mkdir(exist_ok=True)
    for path, name in zip(write(certificate("shop"), folder, "shop"), ("fullchain.pem", "privkey.pem"), strict=True):
        path.rename(folder / "tls" / name)


@asynccontextmanager
async def serving(
    folder: Path, behind: Mapping[str, Sequence[int]], *, plain: int | None = None, more: str = ""
) -> AsyncIterator[Front]:
    """Run it before ports on this machine; ``more`` are directives of its doors."""
    front = Front(plain=plain or free_port(), tls=free_port(), redirects=free_port(), folder=folder)
    for name in ("nginx.conf", "routes.conf"):
        shutil.copy(CONFIG / name, folder)
    certify(folder)
    doors = re.sub(r"(?m)^ +listen \[::\].*\n", "", (CONFIG / "doors.conf").read_text(encoding="utf-8"))
    doors = doors.replace("listen 443", f"listen 127.0.0.1:{front.tls}")
    doors = doors.replace("listen 80", f"listen 127.0.0.1:{front.redirects}")
    doors += _PLAIN.format(port=front.plain, more=more)
    (folder / "doors.conf").write_text(doors, encoding="utf-8")
    nobody = free_port()
    servers = {
        name: " ".join(f"server 127.0.0.1:{port} max_fails=2 fail_timeout=5s;" for port in behind.get(name, [nobody]))
        for name in GROUPS
    }
    upstreams = "".join(_UPSTREAM.format(name=name, servers=text) for name, text in servers.items())
    (folder / "upstreams.conf").write_text(upstreams, encoding="utf-8")
    with (folder / "nginx.log").open("ab") as log:
        process = subprocess.Popen(command(folder), stdout=log, stderr=log)  # noqa: ASYNC220 (it returns at once)
    try:
        assert await listening(front.tls, process), front.log
        yield front
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)
