"""V2Ray and Xray servers for the demo and the tests, and plain routes that play with them."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from litestar import Router, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from veilbot_runners.sandbox.v2ray_server import Outage, V2RayServer
from veilbot_runners.sandbox.v2ray_state import V2RayState


class V2RaySandbox:
    """Named cores, all in memory, each on a port of its own, with one VLESS inbound ``in``.

    ::

        async with V2RaySandbox({"de-1": 0}) as sandbox:
            server = sandbox.servers["de-1"]
            ...  # server.api, server.state
            await server.play(Outage.HANG)
    """

    def __init__(self, servers: Mapping[str, int], *, flavour: str = "xray") -> None:
        self.servers = {
            name: V2RayServer(name, port, state=V2RayState(flavour=flavour)) for name, port in servers.items()
        }

    async def __aenter__(self) -> Self:
        for server in self.servers.values():
            await server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers.values():
            await server.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes that a user carried."""

    email: str
    bytes: int


def v2ray_router(sandbox: V2RaySandbox) -> Router:
    """Return the sandbox's plain HTTP side, for scripts."""

    def server(name: str) -> V2RayServer:
        if name not in sandbox.servers:
            raise NotFoundException(f"there is no server {name!r} in the sandbox")
        return sandbox.servers[name]

    @get("/", sync_to_thread=False)
    def servers() -> dict[str, list[dict[str, object]]]:
        return {"items": [_shown(it) for it in sandbox.servers.values()]}

    @get("/{name:str}/keys", sync_to_thread=False)
    def keys(name: FromPath[str]) -> dict[str, list[dict[str, object]]]:
        return {"items": _keys(server(name).state)}

    @post("/{name:str}/{outage:str}", status_code=200)
    async def play(name: FromPath[str], outage: FromPath[str]) -> dict[str, object]:
        it = server(name)
        if outage == "restart":
            await it.restart()
            return _shown(it)
        with contextlib.suppress(ValueError):
            await it.play(Outage.NONE if outage == "up" else Outage(outage))
            return _shown(it)
        raise NotFoundException(f"there is no outage {outage!r}")

    @post("/{name:str}/traffic", status_code=200, sync_to_thread=False)
    def traffic(name: FromPath[str], data: JSONBody[Traffic]) -> dict[str, object]:
        server(name).carry(data.email, data.bytes)
        return {"email": data.email, "bytes": data.bytes}

    return Router("/sandbox/v2ray", route_handlers=[servers, keys, play, traffic])


def _shown(it: V2RayServer) -> dict[str, object]:
    return {
        "name": it.name,
        "api": it.api,
        "flavour": it.state.flavour,
        "inbounds": dict(it.state.inbounds),
        "outage": it.outage,
        "crashes": it.state.crashes,
        "keys": sum(map(len, it.state.users.values())),
    }


def _keys(state: V2RayState) -> list[dict[str, object]]:
    return [
        {
            "id": user.email.removesuffix("@veilbot"),
            "email": user.email,
            "inbound": tag,
            "account": user.account.type,
        }
        for tag, users in state.users.items()
        for user in users
    ]
