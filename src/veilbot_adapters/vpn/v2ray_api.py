"""Calls to the gRPC API of one V2Ray or Xray core, and what its answers mean.

Everything here was tried on V2Ray 4.34 and Xray 26.10; errors come as status UNKNOWN with a sentence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray_accounts import Flavour
from veilbot_adapters.vpn.v2ray_settings import host_port
from veilbot_adapters.vpn.v2ray_tls import open_channel
from veilbot_core.domain.errors import Rejected, Unavailable, Unknown

M = TypeVar("M", bound=Message)
_LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
_STOPPED = frozenset({grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN})
_FORBIDDEN = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_BAD_REQUEST = re.compile(r"http2 header with status: 400")
"""What nginx says to a client without a certificate that it knows (a proxy's 401 and 403 become `_FORBIDDEN`)."""
_NO_HANDLER = re.compile(r"handler not found: ")
_NO_USERS = re.compile(r"proxy is not a UserManager")


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of the core instead of an answer; ``missing`` if it does not offer the call at all."""

    text: str
    missing: bool = False


class CoreApi:
    """One server's channel; it is opened when it is needed, and gRPC lets an unused connection go."""

    def __init__(self, settings: Mapping[str, str], *, timeout: float, allow_private: bool) -> None:
        self.host, self._port = host_port(settings["api"])
        self.proxied = "cert_sha256" in settings
        self._settings = settings
        self._timeout = timeout
        self._allow_private = allow_private
        self._channel: grpc.aio.Channel | None = None
        self.connections = 0
        """Rises whenever a call begins without a standing connection: what was learnt before may be of another core."""

    @property
    def connected(self) -> bool:
        """Whether the connection of the last call still stands."""
        return self._channel is not None and self._channel.get_state() is grpc.ChannelConnectivity.READY

    async def close(self) -> None:
        """End the connection."""
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def ask(self, method: str, request: Message, answer: type[M]) -> M | Said:
        """Call something that changes nothing.

        Raises:
            Unavailable: no answer came.
            Rejected: the answer is no core's.
        """
        try:
            return await self._call(method, request, answer)
        except grpc.aio.AioRpcError as error:
            if error.code() in _LOST:
                raise Unavailable(f"{self.host} does not answer") from error
            return self._said(error)

    async def change(self, flavour: Flavour, request: pb.AlterInboundRequest) -> Said | None:
        """Change an inbound; return what the core has against it.

        Raises:
            Unknown: no answer came, it may have done it (and it may have died of it).
            Rejected: the answer is no core's, or there is no such inbound.
        """
        method = f"/{flavour}.app.proxyman.command.HandlerService/AlterInbound"
        try:
            await self._call(method, request, pb.AlterInboundResponse)
        except grpc.aio.AioRpcError as error:
            if error.code() in _LOST or error.code() is grpc.StatusCode.INTERNAL:
                raise Unknown(f"the connection to {self.host} broke before it answered") from error
            return self.refused(self._said(error), "HandlerService")
        return None

    def refused(self, said: Said, service: str) -> Said:
        """Pass a sentence on unless it speaks of the configuration. Raises Rejected."""
        if said.missing:
            raise Rejected(f'{self.host} does not offer what we need: add "{service}" to the services of its "api"')
        if _NO_HANDLER.search(said.text):
            raise Rejected(f"{self.host} has no inbound with the tag {self._settings['inbound']!r}")
        if _NO_USERS.search(said.text):
            raise Rejected(
                f"the users of inbound {self._settings['inbound']!r} of {self.host} cannot be managed (V2Ray's"
                " shadowsocks has one user only): choose vless, or Xray"
            )
        return said

    def nonsense(self, what: str) -> Rejected:
        """Make the error for an answer that no core gives."""
        return Rejected(f"{self.host} does not answer like V2Ray or Xray: {what}; check api")

    async def _call(self, method: str, request: Message, answer: type[M]) -> M:
        channel = await self._open()
        if not self.connected:
            self.connections += 1
        call = channel.unary_unary(method)  # bytes in and out: what cannot be read must not become a log line
        content: bytes = await call(request.SerializeToString(), timeout=self._timeout)
        try:
            read: M = answer.FromString(content)
        except DecodeError as error:
            raise self.nonsense("the answer cannot be read") from error
        if _mistyped(read):
            raise self.nonsense("the answer is one to another question")
        return read

    async def _open(self) -> grpc.aio.Channel:
        """Return the channel; one that failed is replaced, which tries at once instead of after gRPC's pause."""
        if self._channel is not None and self._channel.get_state() in _STOPPED:
            await self.close()
        if self._channel is None:
            opened = await open_channel(self.host, self._port, self._settings, allow_private=self._allow_private)
            if self._channel is None:
                self._channel = opened
            else:  # another call was faster
                await opened.close()
        return self._channel

    def _said(self, error: grpc.aio.AioRpcError) -> Said:
        code = error.code()
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return Said("", missing=True)
        if code in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.NOT_FOUND}:
            return Said((error.details() or "")[:2000])
        if code in _FORBIDDEN or (code is grpc.StatusCode.INTERNAL and _BAD_REQUEST.search(error.details() or "")):
            raise Rejected(f"the proxy before {self.host} does not take our client certificate") from error
        if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            raise Rejected(f"{self.host} sends more than any core does") from error
        raise self.nonsense(f"gRPC status {code.name}") from error


def _mistyped(message: Message) -> bool:
    """Whether a field has a type of its own; protobuf drops such a one, so that a list would seem to be empty.

    Fields of other numbers are those that we do not use. The first of many stands for all.
    """
    numbers = message.DESCRIPTOR.fields_by_number
    if any(field.field_number in numbers for field in UnknownFieldSet(message)):
        return True
    inner = [value for field, value in message.ListFields() if field.message_type is not None]
    return any(_mistyped(value if isinstance(value, Message) else value[0]) for value in inner)
