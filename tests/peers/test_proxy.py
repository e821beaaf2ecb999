"""The API outside loopback: behind a real nginx that asks for a client certificate, its own certificate pinned."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from tests.peers.certificates import Authority, authority, certificate, write
from tests.peers.cores import Core, ended, free_port, inbound, listening, program, server_config
from tests.tunnel import Tunnel
from tests.waiting import until

from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_adapters.vpn.v2ray_core import NOBODY
from veilbot_core.domain.errors import PortError, Rejected, Unavailable
from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.ports.vpn import Endpoint, KeySpec
from veilbot_runners.sandbox.certificate import Certificate

_CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream core {{ server 127.0.0.1:{api}; keepalive 16; }}
    server {{
        keepalive_requests 1000000;
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {clients};
        ssl_verify_client on;
        location / {{ grpc_pass grpc://core; }}
    }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Front:
    """A core behind nginx."""

    core: Core
    api: int
    port: int
    folder: Path
    clients: Authority

    @asynccontextmanager
    async def serving(self, shown: Certificate) -> AsyncIterator[None]:
        """Run nginx with a certificate."""
        paths = write(shown, self.folder, "front")
        (self.folder / "clients.pem").write_bytes(self.clients.pem)
        text = _CONFIG.format(
            folder=self.folder,
            port=self.port,
            api=self.api,
            certificate=paths[0],
            key=paths[1],
            clients=self.folder / "clients.pem",
        )
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")
        command = [program("nginx"), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        with (self.folder / "nginx.out").open("ab") as log:
            process = subprocess.Popen([*command, "-e", str(self.folder / "error.log")], stdout=log, stderr=log)  # noqa: ASYNC220 (it returns at once)
        try:
            assert await listening(self.port, process), (self.folder / "nginx.out").read_text(encoding="utf-8")
            yield
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)

    def given(self, pin: str, client: Certificate) -> Mapping[str, str]:
        """Return what the operator gives."""
        return {
            "api": f"127.0.0.1:{self.port}",
            "inbound": "in",
            "address": "vpn.example.com",
            "port": "443",
            "cert_sha256": pin,
            "client_cert": client.certificate.decode(),
            "client_key": client.key.decode(),
        }

    def requests(self) -> list[str]:
        """Return what nginx passed on."""
        path = self.folder / "access.log"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [line for line in lines if '" 200 ' in line]


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    api = free_port()
    config = server_config("xray", api, inbound("xray", "vless", free_port()))
    core = Core(flavour="xray", config=config, folder=tmp_path, listens=api)
    with ended(core):
        await core.up()
        yield Front(core=core, api=api, port=free_port(), folder=tmp_path, clients=authority("shops"))


def reach(vpn: V2RayProtocol, given: Mapping[str, str]) -> Endpoint:
    return Endpoint(server_id=ServerId(uuid4()), settings=vpn.settings(given))


KEY = KeySpec(id=KeyId(uuid4()), name="key", limit=None)


@pytest.mark.parametrize("vouched", [False, True], ids=["self-signed", "signed-by-an-authority"])
async def test_keys_are_managed_through_the_proxy(front: Front, vpn: V2RayProtocol, vouched: bool) -> None:  # noqa: FBT001
    shown = certificate("front", authority("anybody") if vouched else None)
    async with front.serving(shown):
        endpoint = reach(vpn, front.given(shown.sha256, certificate("shop", front.clients)))
        assert (await vpn.probe(endpoint)).name == "Xray, vless"
        await vpn.issue(endpoint, KEY)
        assert set(await vpn.list(endpoint)) == {str(KEY.id)}  # type: ignore[arg-type]
        many = [KeySpec(id=KeyId(uuid4()), name="key", limit=None) for _ in range(500)]
        assert len(await vpn.restore(endpoint, many)) == 500
        await vpn.revoke(endpoint, KEY.id)
        assert len(await vpn.list(endpoint)) == 500  # type: ignore[arg-type]
        await front.core.restart(server_config("xray", front.api, inbound("xray", "trojan", free_port())))
        with pytest.raises(Rejected, match="speaks trojan"):
            await vpn.issue(endpoint, KEY)
        assert front.core.alive


@pytest.mark.parametrize("many", [0, 1, 60])
async def test_a_core_behind_the_proxy_that_is_replaced_after_the_look_gets_no_user(
    front: Front, vpn: V2RayProtocol, many: int
) -> None:
    """The proxy answers all the time, and does not say that another core stands behind it."""
    shown = certificate("front")

    async def swap() -> None:
        await front.core.restart(server_config("xray", front.api, inbound("xray", "trojan", free_port())))

    async with Tunnel(front.api).open() as tunnel, replace(front, api=tunnel.port).serving(shown):
        endpoint = reach(vpn, front.given(shown.sha256, certificate("shop", front.clients)))
        await vpn.issue(endpoint, KEY)
        tunnel.arm(NOBODY.encode(), swap)
        keys = [KeySpec(id=KeyId(uuid4()), name="key", limit=None) for _ in range(many)]
        with pytest.raises(PortError):
            await (vpn.restore(endpoint, keys) if many else vpn.issue(endpoint, KEY))
        await until(lambda: tunnel.sprung == 1)
        assert front.core.alive, front.core.log()[-3000:]
        with pytest.raises(Rejected, match="speaks trojan"):
            await vpn.probe(endpoint)


async def test_a_certificate_that_is_not_the_pinned_one_gets_no_request(front: Front, vpn: V2RayProtocol) -> None:
    client = certificate("shop", front.clients)
    async with front.serving(certificate("front")):
        endpoint = reach(vpn, front.given("ab" * 32, client))
        for call in (vpn.probe(endpoint), vpn.issue(endpoint, KEY), vpn.revoke(endpoint, KEY.id), vpn.list(endpoint)):
            with pytest.raises(Rejected, match="another certificate"):
                await call
    assert front.requests() == []


async def test_a_certificate_that_is_replaced_is_noticed(front: Front, vpn: V2RayProtocol) -> None:
    by = authority("anybody")
    good = certificate("front", by)
    endpoint = reach(vpn, front.given(good.sha256, certificate("shop", front.clients)))
    async with front.serving(good):
        await vpn.probe(endpoint)
    seen = len(front.requests())
    async with front.serving(certificate("front", by)):
        errors = set()
        for _ in range(3):
            with pytest.raises(PortError) as caught:
                await vpn.issue(endpoint, KEY)
            errors.add(type(caught.value))
    assert errors <= {Rejected, Unavailable}
    assert Rejected in errors
    assert len(front.requests()) == seen
    async with front.serving(good):
        await vpn.issue(endpoint, KEY)


@pytest.mark.parametrize("by", [None, authority("shops")], ids=["self-signed", "of-another-authority"])
async def test_without_a_certificate_that_the_proxy_knows_nobody_comes_through(
    front: Front, vpn: V2RayProtocol, by: Authority | None
) -> None:
    shown = certificate("front")
    async with front.serving(shown):
        endpoint = reach(vpn, front.given(shown.sha256, certificate("shop", by)))
        for call in (vpn.probe(endpoint), vpn.issue(endpoint, KEY), vpn.list(endpoint)):
            with pytest.raises(Rejected, match="client certificate"):
                await call
    assert front.requests() == []
