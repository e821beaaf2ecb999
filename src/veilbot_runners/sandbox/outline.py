"""Outline servers for the demo and the tests, and plain routes that play with them."""

import contextlib
from asyncio import TaskGroup
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self

from litestar import Router, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody

from veilbot_runners.sandbox.outline_server import Outage, OutlineServer
from veilbot_runners.sandbox.outline_state import ApiError, OutlineKey


class OutlineSandbox:
    """Named Outline servers, all in memory, each on a port of its own.

    ::

        async with OutlineSandbox({"nl-1": 0, "de-1": 0}) as sandbox:
            server = sandbox.servers["nl-1"]
            ...  # server.api_url, server.cert_sha256, server.keys
            await sandbox.play("nl-1", Outage.HANG)

    With a ``seed``, ports given, and the same names, the servers come back under the same addresses and certificates.
    """

    def __init__(self, servers: Mapping[str, int], *, seed: str | None = None) -> None:
        self.servers = {name: OutlineServer(name, port, seed=seed) for name, port in servers.items()}
        self._tasks = TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        for server in self.servers.values():
            server.start(self._tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with TaskGroup() as stopping:
            for server in self.servers.values():
                stopping.create_task(server.stop())
        await self._tasks.__aexit__(kind, error, trace)

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return the keys of every server, as JSON: a real one keeps them over a restart, too."""
        return {name: [asdict(key) for key in server.keys.values()] for name, server in self.servers.items()}

    def load(self, kept: Mapping[str, list[dict[str, Any]]]) -> None:
        """Take back what `dump` returned; a server that is not here any more is passed over."""
        for name, server in self.servers.items():
            server.state.keys.update((row["id"], OutlineKey(**row)) for row in kept.get(name, ()))

    async def play(self, name: str, outage: Outage) -> None:
        """Begin an outage of a server, or end it with `Outage.NONE`."""
        await self.servers[name].play(outage, self._tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes that a key carried."""

    key: str
    bytes: int


def outline_router(sandbox: OutlineSandbox) -> Router:
    """Return the sandbox's plain HTTP side, for scripts."""

    def server(name: str) -> OutlineServer:
        if name not in sandbox.servers:
            raise NotFoundException(f"there is no server {name!r} in the sandbox")
        return sandbox.servers[name]

    def shown(it: OutlineServer) -> dict[str, object]:
        access = {"api_url": it.api_url, "cert_sha256": it.cert_sha256}
        return {"name": it.name, **access, "outage": it.outage, "delay": it.delay, "keys": len(it.keys)}

    @get("/", sync_to_thread=False)
    def servers() -> dict[str, list[dict[str, object]]]:
        return {"items": [shown(it) for it in sandbox.servers.values()]}

    @get("/{name:str}/keys", sync_to_thread=False)
    def keys(name: FromPath[str]) -> dict[str, list[dict[str, object]]]:
        return {"items": [key.shown() for key in server(name).keys.values()]}

    @post("/{name:str}/{outage:str}", status_code=200)
    async def play(name: FromPath[str], outage: FromPath[str]) -> dict[str, object]:
        it = server(name)
        with contextlib.suppress(ValueError):
            await sandbox.play(name, Outage.NONE if outage == "up" else Outage(outage))
            return shown(it)
        raise NotFoundException(f"there is no outage {outage!r}")

    @post("/{name:str}/traffic", status_code=200, sync_to_thread=False)
    def traffic(name: FromPath[str], data: JSONBody[Traffic]) -> dict[str, object]:
        try:
            server(name).carry(data.key, data.bytes)
        except ApiError as error:
            raise NotFoundException(str(error)) from error
        return {"key": data.key, "bytes": data.bytes}

    return Router("/sandbox/outline", route_handlers=[servers, keys, play, traffic])
