"""Wire: calls of the Bot API as JSON, for the paths where aiogram's own calls take too long (60 us against 150 us)."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

import aiohttp

from veilbot_core.domain.errors import Unavailable
from veilbot_core.ports.clock import Clock
from veilbot_runners.bot.screens import Call

_TELEGRAM = "https://api.telegram.org"
_PATIENCE = 5.0  # seconds of a pause that a customer who waits is worth


class TelegramError(Exception):
    """Telegram refused a call; ``status`` and ``description`` say why."""

    def __init__(self, method: str, status: int, description: str) -> None:
        super().__init__(f"{method}: {status} {description}")
        self.status = status
        self.description = description


class Wire:
    """Calls methods of one bot; a call that got lost is made once more. The token stays inside."""

    def __init__(self, token: str, clock: Clock, *, api_base: str | None = None, timeout: float = 10.0) -> None:
        self._base = f"{(api_base or _TELEGRAM).rstrip('/')}/bot{token}/"
        self._clock = clock
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def call(self, call: Call, *, patience: float | None = None) -> Any:  # noqa: ANN401 - JSON is what it is
        """Make a call and return its result.

        Raises:
            Unavailable: Telegram cannot be reached, or asks for a pause that is too long.
            TelegramError: it refuses.
        """
        body, content_type = _body(call)
        for attempt in (1, 2):
            try:
                return await self._post(call.method, body, content_type, patience or self._timeout)
            except Unavailable as error:
                wait = error.retry_after or 0.2
                if attempt == 2 or wait > _PATIENCE:
                    raise
                await self._clock.sleep(wait)
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Give the connections back."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, method: str, body: bytes, content_type: str, patience: float) -> Any:  # noqa: ANN401
        session = self._open()
        try:
            async with (
                asyncio.timeout(patience),
                session.post(self._base + method, data=body, headers={"Content-Type": content_type}) as response,
            ):
                status, raw = response.status, await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable(f"Telegram cannot be reached ({method}: {type(error).__name__})") from None
        try:
            answer: Mapping[str, Any] = json.loads(raw)
            if status == 200:
                return answer["result"]
            description = str(answer.get("description", ""))[:200]
            wait = (answer.get("parameters") or {}).get("retry_after")
        except (ValueError, KeyError, AttributeError):
            raise Unavailable(f"Telegram did not answer as the Bot API does ({method}: {status})") from None
        if status == 429 or status >= 500:
            raise Unavailable(f"Telegram cannot do it now ({method}: {status})", retry_after=wait)
        raise TelegramError(method, status, description)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=100, ttl_dns_cache=300),
                timeout=aiohttp.ClientTimeout(),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _body(call: Call) -> tuple[bytes, str]:
    if call.png is None:
        return json.dumps(call.payload, ensure_ascii=False).encode(), "application/json"
    boundary = secrets.token_hex(16)
    start = f"--{boundary}\r\nContent-Disposition: form-data; name="
    head = "".join(f'{start}"{name}"\r\n\r\n{value}\r\n' for name, value in call.payload.items())
    head += f'{start}"photo"; filename="key.png"\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + call.png + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
