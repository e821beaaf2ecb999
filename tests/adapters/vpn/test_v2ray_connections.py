"""Connections to a core: to the address that was checked, and ended by the shop without harm to who waits."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from tests.adapters.vpn.test_v2ray import KEY, adapter, kind, reach
from tests.peers.certificates import authority, certificate
from tests.waiting import until

from veilbot_core.domain.errors import Unavailable, Unknown
from veilbot_core.domain.ids import ServerId
from veilbot_core.ports.vpn import Endpoint
from veilbot_runners.sandbox.v2ray_server import Outage, V2RayServer
from veilbot_runners.sandbox.v2ray_state import V2RayState

SHOPS = authority("shops")
SHOWN, OURS = certificate("front"), certificate("shop", SHOPS)
NAME = "vpn.example.com"


@asynccontextmanager
async def proxied(core: V2RayServer) -> AsyncIterator[int]:
    """Serve a core over TLS to whom the authority knows; yield the port."""
    pair = (SHOWN.key, SHOWN.certificate)
    credentials = grpc.ssl_server_credentials([pair], root_certificates=SHOPS.pem, require_client_auth=True)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((core,))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield port
    await server.stop(None)


async def test_a_name_that_leads_elsewhere_the_second_time_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()
    real = socket.getaddrinfo

    def changing(host: str, port: int, *args: Any, **more: Any) -> Any:
        if host != NAME:
            return real(host, port, *args, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.3", port, *args, **more)

    core = V2RayServer("one")
    async with proxied(core) as port, adapter() as vpn:
        given = {"api": f"{NAME}:{port}", "inbound": "in", "address": NAME, "port": "443", "cert_sha256": SHOWN.sha256}
        pair = {"client_cert": OURS.certificate.decode(), "client_key": OURS.key.decode()}
        endpoint = Endpoint(server_id=ServerId(KEY.id), settings=vpn.settings(given | pair))
        monkeypatch.setattr(socket, "getaddrinfo", changing)
        await vpn.probe(endpoint)
        await vpn.issue(endpoint, KEY)
    assert asked == [NAME]
    assert len(core.state.users["in"]) == 1


async def test_a_call_on_a_connection_that_the_shop_ends_fails_and_is_not_cancelled() -> None:
    """gRPC cancels the calls of a channel that is closed, and with them whoever waits for one."""
    server = V2RayServer("one", state=V2RayState(inbounds={"vless": "vless"}))
    await server.start()
    async with adapter() as vpn:
        endpoint = reach(vpn, server.api)
        await vpn.probe(endpoint)
        await server.play(Outage.HANG)
        before = server.calls
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(kind(call)) for call in (vpn.issue(endpoint, KEY), vpn.list(endpoint))]
            await until(lambda: server.calls - before == 2)
            await vpn.close()
    assert {call.result() for call in calls} <= {Unavailable, Unknown}
    await server.stop()
