"""Signed webhooks that are sent again until somebody takes them, as Stripe's are (docs.stripe.com/webhooks)."""

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import httpx

_ATTEMPTS = 200
_LONGEST_WAIT = 30.0


def signature(secret: str, body: str, at: int) -> str:
    """Return the ``Stripe-Signature`` header for a body."""
    digest = hmac.digest(secret.encode(), f"{at}.{body}".encode(), "sha256").hex()
    return f"t={at},v1={digest}"


class WebhookSender:
    """Sends to ``url``; an async context that owns its connections and the tasks that send again."""

    def __init__(self, secret: str, url: str, now: Callable[[], float], first_wait: float) -> None:
        self.url = url
        self._secret = secret
        self._now = now
        self._first_wait = first_wait
        self._stack = AsyncExitStack()
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._http: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Open."""
        self._http = await self._stack.enter_async_context(httpx.AsyncClient(timeout=30, trust_env=False))
        await self._stack.enter_async_context(self._tasks)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sending again and close; what was not delivered is still in the list of events."""
        for task in self._running:
            task.cancel()
        await self._stack.__aexit__(kind, error, trace)

    async def send(self, body: str) -> int | None:
        """Send once and return the status, None for no answer; without a 2xx it is sent again later."""
        status = await self._attempt(body)
        if not _taken(status):
            self.start(self._again(body))
        return status

    def send_soon(self, body: str, after: float = 0.0) -> None:
        """Send in the background."""
        self.start(self._later(body, after))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something for as long as this context is open."""
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _later(self, body: str, after: float) -> None:
        await asyncio.sleep(after)
        if not _taken(await self._attempt(body)):
            await self._again(body)

    async def _again(self, body: str) -> None:
        for attempt in range(_ATTEMPTS):
            await asyncio.sleep(min(self._first_wait * 2 ** min(attempt, 16), _LONGEST_WAIT))
            if _taken(await self._attempt(body)):
                return

    async def _attempt(self, body: str) -> int | None:
        """Deliver once, signed afresh."""
        if self._http is None:
            raise RuntimeError("the sandbox is not running: use it as an async context")
        headers = {
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": signature(self._secret, body, int(self._now())),
            "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        try:
            return (await self._http.post(self.url, content=body.encode(), headers=headers)).status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            return None


def _taken(status: int | None) -> bool:
    return status is not None and 200 <= status < 300
