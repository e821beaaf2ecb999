"""A small client of the Bot API: JSON out, errors in our words (https://core.telegram.org/bots/api#making-requests).

A worker must not import aiogram for a handful of calls: it costs 100 MB, and twice the time per message.
"""

import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

import aiohttp

from veilbot_adapters.hearsay import repeat
from veilbot_adapters.resilience import Guard
from veilbot_adapters.telegram.pace import Pace
from veilbot_core.domain.errors import Rejected, Unavailable, because

_LOG = logging.getLogger(__name__)
_TELEGRAM = "https://api.telegram.org"
_PLACES = 64
Json = Any
"""What a method returns; the caller knows its shape."""
_GONE = ("chat not found", "user is deactivated", "peer_id_invalid", "user not found", "chat_write_forbidden")


class Gone(Rejected):
    """The customer blocked the bot, or has no chat with it."""


class BotApi:
    """Calls methods of one bot; the token stays inside."""

    def __init__(self, token: str, guard: Guard, pace: Pace, *, api_base: str | None = None) -> None:
        self._base = f"{(api_base or _TELEGRAM).rstrip('/')}/bot{token}/"
        self._guard = guard
        self._pace = pace
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        """Show nothing that opens anything."""
        return "BotApi()"

    async def call(self, method: str, payload: Mapping[str, Any], *, patience: float | None = None) -> Json:
        """Call a method with JSON and return its result; ``patience`` replaces the usual timeout, in seconds.

        Raises:
            Unavailable: Telegram cannot be reached, or asks for a pause.
            Rejected: it refuses; ``field`` is ``token`` when it does not know the bot, ``conflict`` when another
                process takes its updates.
            Gone: nobody can be reached there.
        """
        body = json.dumps(payload, ensure_ascii=False).encode()
        return await self._send(method, body, "application/json", patience)

    async def upload(self, method: str, payload: Mapping[str, Any], field: str, content: bytes) -> Json:
        """Call a method with one PNG file; raises as `call` does."""
        boundary = secrets.token_hex(16)
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in payload.items()}
        body = _multipart(boundary, texts, field, content)
        return await self._send(method, body, f"multipart/form-data; boundary={boundary}", None)

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, method: str, body: bytes, content_type: str, patience: float | None) -> Json:
        counted = method.startswith("send")  # only messages are limited to so many a second

        async def attempt() -> Json:
            if counted:
                await self._pace.turn()
            return await self._post(method, body, content_type)

        return await self._guard.call(attempt, patience=patience)

    async def _post(self, method: str, body: bytes, content_type: str) -> Json:
        """Make one attempt; errors name the method, never the address, which holds the token."""
        session = self._open()
        try:
            async with session.post(self._base + method, data=body, headers={"Content-Type": content_type}) as response:
                status, answer = response.status, await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"Telegram cannot be reached ({method}: {because(error)})") from None
        if status != 200:
            self._refused(method, status, answer)
        try:
            return json.loads(answer)["result"]
        except (ValueError, KeyError, TypeError):
            raise Unavailable(f"Telegram did not answer as the Bot API does ({method})") from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_PLACES, ttl_dns_cache=300),
                timeout=aiohttp.ClientTimeout(),  # the guard has the patience
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _refused(self, method: str, status: int, answer: bytes) -> None:
        """Say what a refusal means (https://core.telegram.org/api/errors, and the texts of telegram-bot-api)."""
        description, retry_after = _read(answer)
        if status == 429:
            self._pace.pause(retry_after)
            raise Unavailable(f"Telegram asked for a pause of {retry_after:g} s", retry_after=retry_after)
        if status >= 500 or status == 408:
            raise Unavailable(f"Telegram failed ({method}: {status})")
        if status == 403 or (status == 400 and any(sign in description.lower() for sign in _GONE)):
            raise Gone(f"nobody is there ({method}: {repeat(description)})")
        if status in {401, 404}:
            raise Rejected("Telegram does not know this bot: check VEILBOT_TELEGRAM__TOKEN", field="token")
        if status == 409:
            raise Rejected(f"another process takes this bot's updates ({repeat(description)})", field="conflict")
        raise Rejected(f"Telegram refuses {method}: {status} {repeat(description)}")


def _read(answer: bytes) -> tuple[str, float]:
    """Return the description of an error answer and how long to wait; proxies answer all kinds of things."""
    try:
        found = json.loads(answer)
        description = str(found.get("description", ""))[:200]
        wait = (found.get("parameters") or {}).get("retry_after", 1)
        return description, float(wait) if isinstance(wait, int | float) else 1.0
    except (ValueError, AttributeError):
        return "no Bot API answer", 1.0


def _multipart(boundary: str, payload: Mapping[str, str], field: str, content: bytes) -> bytes:
    """Write a form by hand; aiohttp's own takes 0.2 ms."""
    start = f"--{boundary}\r\nContent-Disposition: form-data; name="
    head = "".join(f'{start}"{name}"\r\n\r\n{value}\r\n' for name, value in payload.items())
    file = f'{start}"{field}"; filename="{field}.png"\r\nContent-Type: image/png\r\n\r\n'
    return (head + file).encode() + content + f"\r\n--{boundary}--\r\n".encode()
