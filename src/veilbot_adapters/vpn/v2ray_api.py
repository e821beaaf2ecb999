"""Calls to the gRPC API of one V2Ray or Xray core, and what its answers mean.

Everything here was tried on V2Ray 4.34 and Xray 26.10; errors come as status UNKNOWN with a sentence.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from veilbot_adapters.vpn.proto import core_pb2 as pb
from veilbot_adapters.vpn.v2ray_accounts import Flavour
from veilbot_adapters.vpn.v2ray_settings import host_port
from veilbot_adapters.vpn.v2ray_tls import open_channel
from veilbot_core.domain.errors import PortError, Rejected, Unavailable, Unknown

M = TypeVar("M", bound=Message)
_LOST = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
_STEPS = 4
"""Calls that a change may wait for before it is sent, and itself; each has the usual time."""
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
        self._settings = settings
        self._timeout = timeout
        self._allow_private = allow_private
        self._channel: grpc.aio.Channel | None = None

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
        lost = Unavailable(f"{self.host} does not answer")
        try:
            with _if_closed(lost):
                return await self._call(method, request, answer)
        except grpc.aio.AioRpcError as error:
            if error.code() in _LOST:
                raise lost from error
            return self.said(error)

    async def change(self, flavour: Flavour, request: pb.AlterInboundRequest) -> Said | None:
        """Change an inbound; return what the core has against it.

        Raises:
            Unavailable: it was not sent.
            Unknown: no answer came, it may have done it (and it may have died of it).
            Rejected: the answer is no core's, or there is no such inbound.
        """
        async with self.begun(flavour, 1) as (change,):
            return await change.send(request)

    @asynccontextmanager
    async def begun(self, flavour: Flavour, count: int) -> AsyncIterator[Sequence["Change"]]:
        """Begin changes of an inbound, each on a standing connection; what is not sent in here is never sent.

        Raises:
            Unavailable: there is no connection.
            Rejected: they are refused before they are sent.
        """
        channel = await self._open()
        call = channel.stream_unary(f"/{flavour}.app.proxyman.command.HandlerService/AlterInbound")
        changes = [Change(self, call(timeout=_STEPS * self._timeout)) for _ in range(count)]
        try:
            for change in changes:
                await change.begin()
            yield changes
        finally:
            for change in changes:
                change.end()

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

    def read(self, content: bytes, answer: type[M]) -> M:
        """Read an answer. Raises Rejected for what is none."""
        try:
            read: M = answer.FromString(content)
        except DecodeError as error:
            raise self.nonsense("the answer cannot be read") from error
        if _mistyped(read):
            raise self.nonsense("the answer is one to another question")
        return read

    def nonsense(self, what: str) -> Rejected:
        """Make the error for an answer that no core gives."""
        return Rejected(f"{self.host} does not answer like V2Ray or Xray: {what}; check api")

    def said(self, error: grpc.aio.AioRpcError) -> Said:
        """Return the sentence in an error. Raises Rejected for what no core says."""
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

    async def _call(self, method: str, request: Message, answer: type[M]) -> M:
        channel = await self._open()
        call = channel.unary_unary(method)  # bytes in and out: what cannot be read must not become a log line
        content: bytes = await call(request.SerializeToString(), timeout=self._timeout)
        return self.read(content, answer)

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


class Change:
    """A change that has begun on one connection and whose request is still here.

    gRPC connects anew whenever it likes, so two calls in a row may meet two processes. One call cannot: it is a stream
    of one HTTP/2 connection (RFC 9113, 5.1) and ends with it, since a channel with ``grpc.enable_retries`` 0 moves no
    call to another (``channel_arg_names.h``; gRFC A6). That it has its connection is known when its head has been
    sent: "accepted by outgoing flow control" (``GRPC_OP_SEND_INITIAL_METADATA`` in ``grpc_types.h``). nginx sends the
    head on at once and a begun request nowhere else (``ngx_http_upstream_next``: ``request_body_no_buffering``). On
    the wire it is the unary call that the cores know; both were seen to wait for its request.
    """

    def __init__(self, api: CoreApi, call: grpc.aio.StreamUnaryCall) -> None:
        self._api = api
        self._call = call
        self._not_sent = Unavailable(f"the connection to {api.host} broke before anything was sent")

    async def begin(self) -> None:
        """Wait until it has its connection. Raises Unavailable if there is none, Rejected if it is refused at once."""
        try:
            with _if_closed(self._not_sent):
                await self._call.wait_for_connection()
        except grpc.aio.AioRpcError as error:
            if not _broke(error):
                self._api.refused(self._api.said(error), "HandlerService")
            raise self._not_sent from error

    async def send(self, request: pb.AlterInboundRequest) -> Said | None:
        """Send the request; return what the core has against it.

        Raises:
            Unavailable: the connection has ended since, and nothing was sent.
            Unknown, Rejected: as `CoreApi.change`.
        """
        api, lost = self._api, Unknown(f"the connection to {self._api.host} broke before it answered")
        if self._call.done():  # no other task runs between this and the write
            raise self._not_sent
        try:
            with _if_closed(lost):
                await self._call.write(request.SerializeToString())
                with suppress(grpc.aio.InternalError):  # the end of the call says why
                    await self._call.done_writing()
                content: bytes = await self._call
        except grpc.aio.AioRpcError as error:
            if _broke(error):
                raise lost from error
            return api.refused(api.said(error), "HandlerService")
        api.read(content, pb.AlterInboundResponse)
        return None

    def end(self) -> None:
        """Let go of it."""
        self._call.cancel()


@contextmanager
def _if_closed(error: PortError) -> Iterator[None]:
    """Raise ``error`` if somebody else closes the channel: gRPC cancels its calls, and with them who waits for one."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise error from cancelled


def _broke(error: grpc.aio.AioRpcError) -> bool:
    """Whether a change ended without the core's word on it."""
    internal = error.code() is grpc.StatusCode.INTERNAL and not _BAD_REQUEST.search(error.details() or "")
    return internal or error.code() in _LOST


def _mistyped(message: Message) -> bool:
    """Whether a field has a type of its own; protobuf drops such a one, so that a list would seem to be empty.

    Fields of other numbers are those that we do not use. The first of many stands for all.
    """
    numbers = message.DESCRIPTOR.fields_by_number
    if any(field.field_number in numbers for field in UnknownFieldSet(message)):
        return True
    inner = [value for field, value in message.ListFields() if field.message_type is not None]
    return any(_mistyped(value if isinstance(value, Message) else value[0]) for value in inner)
