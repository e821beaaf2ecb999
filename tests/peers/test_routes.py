"""The proxy of ``deploy/nginx`` before servers that write down what reaches them."""

import asyncio
import re
import shutil
import ssl
import subprocess
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.peers.cores import free_port
from tests.peers.front import CONFIG, GROUPS, Front, certify, command, serving

TOKEN = "canary-token-of-a-link"


@dataclass(kw_only=True)
class Server:
    """Answers its name, or breaks off after it has read a request."""

    name: str
    breaks: bool = False
    requests: list[str] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def up(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self.port

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        self.requests.append(head + body.decode())
        if not self.breaks:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(self.name))
            writer.write(self.name.encode())
            await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def servers() -> AsyncIterator[dict[str, Server]]:
    """One for each group of processes."""
    async with AsyncExitStack() as stack:
        made = {name: Server(name=name) for name in GROUPS}
        for one in made.values():
            await stack.enter_async_context(one.up())
        yield made


async def ask(front: Front, method: str, path: str, **rest: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{front.plain}", timeout=60) as http:
        return await http.request(method, path, **rest)


ROUTES = [
    ("/webhooks/telegram", "bots"),
    ("/webhooks/stripe", "webhooks"),
    (f"/s/{TOKEN}", "links"),
    ("/paid", "links"),
    ("/canceled", "links"),
    ("/api/v1/users", "users"),
    ("/api/v1/users/7/block", "users"),
    ("/api/v1/billing/orders", "billing"),
    ("/api/v1/vpn/keys", "vpn"),
    ("/api/v1/admin/api-keys", "admin"),
    ("/admin", "admin"),
    ("/metrics", "admin"),
    ("/healthz", "webhooks"),
    ("/readyz", "webhooks"),
    ("/", None),
    ("/schema/openapi.json", None),
    ("/webhooks", None),
    ("/paid/x", None),
]


async def test_each_path_reaches_its_processes_and_no_other_path_does(
    servers: dict[str, Server], tmp_path: Path
) -> None:
    async with serving(tmp_path, {name: [one.port] for name, one in servers.items()}) as front:
        for path, name in ROUTES:
            answer = await ask(front, "GET", path)
            assert (answer.text if answer.status_code == 200 else None) == name, path


@pytest.mark.parametrize("path", ["/admin", "/admin/login", "/metrics", "/%61dmin", "/s/../admin", "//admin"])
async def test_what_is_for_operators_is_not_for_the_world(
    servers: dict[str, Server], tmp_path: Path, path: str
) -> None:
    """The address comes from a header here, as behind another proxy, or everybody would come from this machine."""
    world = "set_real_ip_from 127.0.0.1; real_ip_header X-Test-Address;"
    async with serving(tmp_path, {name: [one.port] for name, one in servers.items()}, more=world) as front:
        request = f"GET {path} HTTP/1.1\r\nHost: shop\r\nX-Test-Address: 203.0.113.9\r\nConnection: close\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", front.plain)
        writer.write(request.encode())
        assert (await reader.readline()).split()[1] == b"403"
        writer.close()
        await writer.wait_closed()
        assert (await ask(front, "GET", "/healthz", headers={"X-Test-Address": "203.0.113.9"})).status_code == 200
    assert not servers["admin"].requests


async def test_nobody_says_where_they_come_from_but_the_proxy(servers: dict[str, Server], tmp_path: Path) -> None:
    lies = {"X-Forwarded-For": "198.51.100.1, 127.0.0.1", "X-Request-ID": "mine", "X-Forwarded-Proto": "gopher"}
    async with serving(tmp_path, {"users": [servers["users"].port]}) as front:
        await ask(front, "GET", "/api/v1/users", headers=lies)
    [told] = servers["users"].requests
    assert re.findall(r"(?i)x-forwarded-for: (.*)\r", told) == ["127.0.0.1"]
    assert re.findall(r"(?i)x-forwarded-proto: (.*)\r", told) == ["http"]
    assert re.fullmatch(r"[0-9a-f]{32}", re.findall(r"(?i)x-request-id: (.*)\r", told)[0])


@pytest.mark.parametrize(("method", "status", "reached"), [("POST", 502, 1), ("GET", 200, 2)])
async def test_a_post_that_was_sent_is_not_sent_to_another_process(
    tmp_path: Path, method: str, status: int, reached: int
) -> None:
    broken, twin = Server(name="broken", breaks=True), Server(name="twin")
    async with broken.up(), twin.up(), serving(tmp_path, {"webhooks": [broken.port, twin.port]}) as front:
        answer = await ask(front, method, "/webhooks/stripe", content=b"{}" if method == "POST" else None)
    assert answer.status_code == status
    assert len(broken.requests) == 1
    assert len(broken.requests + twin.requests) == reached


async def test_a_process_that_is_gone_has_a_twin_that_takes_posts(tmp_path: Path) -> None:
    twin = Server(name="twin")
    async with twin.up(), serving(tmp_path, {"webhooks": [free_port(), twin.port]}) as front:
        answers = [await ask(front, "POST", "/webhooks/stripe", content=b"{}") for _ in range(6)]
    assert {answer.text for answer in answers} == {"twin"}
    assert len(twin.requests) == 6


async def test_bodies_are_bounded(servers: dict[str, Server], tmp_path: Path) -> None:
    async with serving(tmp_path, {"users": [servers["users"].port]}) as front:
        assert (await ask(front, "POST", "/api/v1/users", content=bytes(1 << 20))).status_code == 200
        assert (await ask(front, "POST", "/api/v1/users", content=bytes((1 << 20) + 1))).status_code == 413
    assert len(servers["users"].requests) == 1


async def test_no_log_holds_a_link_or_a_question(servers: dict[str, Server], tmp_path: Path) -> None:
    async with serving(tmp_path, {"links": [servers["links"].port]}) as front:
        assert (await ask(front, "GET", f"/s/{TOKEN}?format=clash")).status_code == 200
        await ask(front, "GET", f"/paid?session={TOKEN}")
    async with serving(tmp_path, {}) as front:  # nobody answers: nginx complains
        assert (await ask(front, "GET", f"/s/{TOKEN}")).status_code == 502
        assert (await ask(front, "GET", "/api/v1/users")).status_code == 502
        log = front.log
    assert "GET /s/... 200" in log
    assert "GET /s/... 502" in log
    assert "connect() failed" in log
    assert TOKEN not in log


async def test_the_door_is_https(servers: dict[str, Server], tmp_path: Path) -> None:
    async with serving(tmp_path, {"webhooks": [servers["webhooks"].port]}) as front:
        context = ssl.create_default_context(cafile=str(tmp_path / "tls" / "fullchain.pem"))
        context.set_alpn_protocols(["h2"])
        _, writer = await asyncio.open_connection("127.0.0.1", front.tls, ssl=context)
        shown = writer.get_extra_info("ssl_object")
        assert (shown.selected_alpn_protocol(), shown.version()) == ("h2", "TLSv1.3")
        writer.close()
        trusted = ssl.create_default_context(cafile=str(tmp_path / "tls/fullchain.pem"))
        async with httpx.AsyncClient(verify=trusted, timeout=60) as http:
            assert (await http.get(f"https://127.0.0.1:{front.tls}/healthz")).text == "webhooks"
            moved = await http.get(f"http://127.0.0.1:{front.redirects}/s/x?format=clash")
            assert (moved.status_code, moved.headers["location"]) == (308, "https://127.0.0.1/s/x?format=clash")


def test_the_files_are_right_as_they_are(tmp_path: Path) -> None:
    """Only the certificate that they ask for is made."""
    shutil.copytree(CONFIG, tmp_path / "veilbot")
    certify(tmp_path / "veilbot")
    done = subprocess.run(command(tmp_path / "veilbot", "-t"), capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr
