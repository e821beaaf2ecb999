"""One V2Ray or Xray core of the sandbox: its gRPC API on loopback, and outages on demand."""

import asyncio
from enum import StrEnum

import grpc

from veilbot_runners.sandbox.v2ray_state import Crash, Refusal, Unknown, V2RayState


class Outage(StrEnum):
    """What is wrong with a core."""

    NONE = "none"
    DOWN = "down"
    """Nobody listens; users stay."""
    HANG = "hang"
    """It takes calls and does nothing until the outage ends; then it does them."""
    LOST = "lost"
    """It adds and removes users, and does not say so."""
    GARBAGE = "garbage"
    """Every answer is bytes that mean nothing."""


class V2RayServer(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """A core with its users in memory; ``port`` 0 takes any free one."""

    def __init__(self, name: str, port: int = 0, *, state: V2RayState | None = None) -> None:
        self.name = name
        self.state = state or V2RayState()
        self.outage = Outage.NONE
        self.calls = 0
        self._port = port
        self._over = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    @property
    def api(self) -> str:
        """What an operator gives to reach it."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen."""
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        self._server.add_generic_rpc_handlers((self,))
        self._port = self._server.add_insecure_port(self.api)
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        self._over.set()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(None)

    async def restart(self) -> None:
        """Start anew, without users and counters."""
        await self.stop()
        self.state.restart()
        await self.start()

    async def play(self, outage: Outage) -> None:
        """Begin an outage, or end it with `Outage.NONE`."""
        self.outage = outage
        self._over.set()
        self._over = asyncio.Event()
        if outage is Outage.DOWN:
            await self.stop()
        elif self._server is None:
            await self.start()

    def carry(self, email: str, count: int) -> None:
        """Play traffic of a user."""
        self.state.traffic[email] = self.state.traffic.get(email, 0) + count

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """Return what serves a call (called by gRPC); bytes come in and go out."""
        method: str = handler_call_details.method

        async def serve(content: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return await self._serve(method, content, context)

        return grpc.unary_unary_rpc_method_handler(serve)

    async def _serve(self, method: str, content: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.calls += 1
        outage, over = self.outage, self._over
        if outage is Outage.HANG:
            await over.wait()
        if outage is Outage.GARBAGE:
            return b"\xff<html>It works!</html>"
        before = self.state.changes
        try:
            answer: bytes = self.state.answer(method, content).SerializeToString()
        except Unknown as error:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
        except Refusal as error:
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Crash:
            self.state.crashes += 1
            self.state.restart()
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Stream removed (Socket closed)")
        if outage is Outage.LOST and self.state.changes != before:
            await over.wait()
        return answer
