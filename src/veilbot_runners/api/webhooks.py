"""Webhooks: what providers and Telegram report, as raw bytes; answered after one commit and nothing else.

These are the hottest routes, so each sender has a plain ASGI application: a handler of Litestar's costs four times
as much before it does anything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from typing import Any, Protocol, cast

import msgspec
from litestar import Router, asgi, post
from litestar.exceptions import MethodNotAllowedException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.handlers import ASGIRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIResponse, Schema
from litestar.params import FromPath
from litestar.types import Receive, Scope, Send
from msgspec import Struct

from veilbot_core.application import Application
from veilbot_core.domain.errors import GatewayOff, InvalidInput, NotFound, Unavailable
from veilbot_core.domain.payment import Provider, Receipt
from veilbot_runners.api.limits import BODY_LIMIT
from veilbot_runners.api.openapi import Signed, header, problems

_BODY_SECONDS = 10.0
_SECRET = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
Taker = Callable[[bytes, Mapping[str, str]], Awaitable[bytes]]
"""Takes a body and headers with lower-case names; returns the JSON to answer with."""


class TelegramWebhook(Protocol):
    """What takes Telegram's updates."""

    async def feed(self, body: bytes, secret: str | None) -> Mapping[str, object] | None:
        """Take one update; return the call that Telegram shall make for an answer, if any.

        Raises:
            Unauthorized: the secret is not ours.
            InvalidInput: this is no update.
        """


class ReceiptView(Struct, frozen=True):
    """What became of an event."""

    receipt: Receipt


@dataclass
class _Webhook(Signed):
    """An operation that providers and Telegram call."""

    def __post_init__(self) -> None:
        """Name the header by which Telegram proves itself, as providers each have their own; and tell answers apart.

        A receipt is an object like any call of the Bot API, so an answer may be both: `oneOf` would refuse it.
        """
        super().__post_init__()
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse) and answer.content is not None:
            for kind in answer.content.values():
                if isinstance(kind.schema, Schema) and kind.schema.one_of:
                    kind.schema = Schema(any_of=kind.schema.one_of)
        self.parameters = [*(self.parameters or []), header(_SECRET, "What was given to setWebhook; Telegram only.")]


@post(
    "/{provider:str}",
    status_code=HTTPStatus.OK,
    summary="Events from a payment provider, updates from Telegram",
    responses=problems(401) | {200: ResponseSpec(cast("Any", ReceiptView | dict[str, Any]), generate_examples=False)},
    operation_class=_Webhook,
)
async def no_such_sender(provider: FromPath[str]) -> None:
    """Record a signed event, once however often it comes; anything but 200 makes the sender send it again.

    For `telegram` the answer may be a call of the Bot API.
    """
    raise NotFound(f"nobody is called {provider}")  # those who are have their own way in


def webhooks(application: Application, telegram: TelegramWebhook | None, patience: float) -> Router:
    """Return the module: a way in for every sender that this version knows.

    A provider hears within ``patience`` seconds what became of its event. Telegram's updates have their own time: the
    answer to one may be a call of the bot's.
    """

    async def take_update(body: bytes, headers: Mapping[str, str]) -> bytes:
        if telegram is None:
            raise NotFound
        call = await telegram.feed(body, headers.get(_SECRET.lower()))
        return msgspec.json.encode(call or {}, enc_hook=str)  # the texts are a kind of str, which msgspec does not take

    ways = [_way_in(provider.value, _events_of(application, provider, patience)) for provider in Provider]
    return Router(
        "/webhooks", route_handlers=[no_such_sender, *ways, _way_in("telegram", take_update)], tags=["webhooks"]
    )


def _events_of(application: Application, provider: Provider, patience: float) -> Taker:
    async def take_event(body: bytes, headers: Mapping[str, str]) -> bytes:
        try:
            async with asyncio.timeout(patience):
                receipt = await application.payments.receive(provider, body, headers)
        except GatewayOff:
            raise NotFound from None
        except TimeoutError:  # it is all in the database or nothing is, and when it comes again we shall know
            raise Unavailable("this takes too long now", retry_after=1.0) from None
        return b'{"receipt":"%b"}' % receipt.encode()

    return take_event


def _way_in(name: str, take: Taker) -> ASGIRouteHandler:
    async def webhook(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != HTTPMethod.POST:
            raise MethodNotAllowedException(headers={"Allow": "POST"})
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _body(headers, receive)
        except TimeoutError:
            raise InvalidInput("the body does not come") from None
        answer = await take(body, headers)
        start = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": start})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    return asgi(f"/{name}", copy_scope=False)(webhook)


async def _body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Read the whole body, which is no longer than what a handler of Litestar's would take."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > BODY_LIMIT:
        raise RequestEntityTooLarge
    body, more = b"", True
    while more:
        message: Any = await receive()
        if message["type"] != "http.request":
            raise InvalidInput("the body ended early")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_LIMIT:
            raise RequestEntityTooLarge
    return body
