"""Presence: what Telegram is told about the bot when it starts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from veilbot_core.domain.errors import Rejected, Unavailable
from veilbot_core.domain.user import Language
from veilbot_core.ports.clock import Clock
from veilbot_runners.bot.polling import KINDS
from veilbot_runners.bot.screens import Call
from veilbot_runners.bot.wire import Wire
from veilbot_runners.bot.words import Words

_LOG = structlog.get_logger(__name__)
_COMMANDS = ("start", "buy", "keys", "help", "language")
_TRIES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where Telegram delivers updates, and how it proves to be Telegram."""

    url: str
    secret: str = field(repr=False)
    several: bool = False
    """Whether other processes take updates, too; they must stand on one database."""


async def announce(wire: Wire, words: Words, clock: Clock, webhook: Webhook | None, stop: asyncio.Event) -> None:
    """Choose between webhook and polling, and offer the commands in every language.

    Trouble is logged and tried again for a while, unless ``stop`` is set; the bot works without commands.

    Raises:
        Rejected: Telegram does not know the token, or refuses the webhook's address.
    """
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell(wire, clock, [_mode(webhook), *_commands(words)]))
        stopping = group.create_task(stop.wait())
        await asyncio.wait({telling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        telling.cancel()
        stopping.cancel()
    refusal = None if telling.cancelled() else telling.result()
    if refusal is not None:
        raise refusal


async def _tell(wire: Wire, clock: Clock, calls: Sequence[Call]) -> Rejected | None:
    """Make the calls; return what ends the bot instead of raising it, or the group would wrap it."""
    try:
        for call in calls:
            await _insist(wire, clock, call)
    except Rejected as refusal:
        return refusal
    return None


def _mode(webhook: Webhook | None) -> Call:
    if webhook is None:
        return Call(method="deleteWebhook", payload={})
    payload = {"url": webhook.url, "secret_token": webhook.secret, "allowed_updates": KINDS, "max_connections": 100}
    return Call(method="setWebhook", payload=payload)


def _commands(words: Words) -> list[Call]:
    """Offer the commands in each language, and in English to everybody else."""
    calls = []
    for language in Language:
        commands = [{"command": name, "description": words(language, f"command-{name}")} for name in _COMMANDS]
        if language is Language.EN:
            calls.append(Call(method="setMyCommands", payload={"commands": commands}))
        calls.append(Call(method="setMyCommands", payload={"commands": commands, "language_code": language.value}))
    return calls


async def _insist(wire: Wire, clock: Clock, call: Call) -> None:
    for attempt in range(_TRIES):
        try:
            await wire.call(call.method, call.payload)
        except Unavailable as error:
            _LOG.warning("Telegram was not told", method=call.method, error=str(error))
            await clock.sleep(min(error.retry_after or 2.0**attempt, 30.0))
        except Rejected as error:
            if error.field == "token" or call.method == "setWebhook":
                raise
            _LOG.warning("Telegram was not told", method=call.method, error=str(error))
            return
        else:
            return
