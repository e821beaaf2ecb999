"""Webhooks: what providers and Telegram report, as raw bytes; answered after one commit and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from litestar import Request, Response, Router, post
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation
from msgspec import Struct

from veilbot_core.application import Application
from veilbot_core.domain.errors import GatewayOff, NotFound
from veilbot_core.domain.payment import Provider, Receipt
from veilbot_runners.api.openapi import Signed, header, problems

AnyRequest = Request[Any, Any, Any]
_SECRET = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
_PROVIDERS: Mapping[str, Provider] = {provider.value: provider for provider in Provider}


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
class _Update(Signed):
    """An operation that Telegram calls."""

    def __post_init__(self) -> None:
        """Name the header that proves the sender."""
        super().__post_init__()
        self.parameters = [header(_SECRET, "The secret token that was given to setWebhook.")]


@post(
    "/telegram",
    status_code=HTTPStatus.OK,
    summary="Updates from Telegram",
    responses=problems(401),
    operation_class=_Update,
)
async def telegram_webhook(
    request: AnyRequest, telegram: NamedDependency[SkipValidation[TelegramWebhook | None]]
) -> Response[dict[str, Any]]:
    """Take an update that carries the secret token; the answer may be a Bot API call."""
    if telegram is None:
        raise NotFound
    reply = await telegram.feed(await request.body(), request.headers.get(_SECRET))
    return Response(dict(reply or {}))


@post(
    "/{provider:str}",
    status_code=HTTPStatus.OK,
    summary="Events from a payment provider",
    responses=problems(),
    operation_class=Signed,
)
async def payment_webhook(
    request: AnyRequest, application: NamedDependency[SkipValidation[Application]], provider: FromPath[str]
) -> ReceiptView:
    """Record a signed event, once however often it comes; anything but 200 makes the provider send it again."""
    known = _PROVIDERS.get(provider)
    if known is None:
        raise NotFound
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.scope["headers"]}
    try:
        return ReceiptView(await application.payments.receive(known, await request.body(), headers))
    except GatewayOff:
        raise NotFound from None


router = Router("/webhooks", route_handlers=[telegram_webhook, payment_webhook], tags=["webhooks"])
