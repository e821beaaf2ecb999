"""Webhook deliveries: like the real server, in order within a chat, again and again until the bot says 2xx."""

import asyncio
import contextlib
import time

import httpx
import msgspec

from veilbot_runners.sandbox.telegram.errors import ApiError, JsonObject
from veilbot_runners.sandbox.telegram.methods import call
from veilbot_runners.sandbox.telegram.params import Params
from veilbot_runners.sandbox.telegram.state import TelegramState

_LONGEST_DELAY = 60.0
_TIMEOUT = 30.0


class Webhook:
    """The owner of every delivery."""

    def __init__(self, state: TelegramState, retry_delay: float) -> None:
        self._state = state
        self._retry_delay = retry_delay
        self._busy: set[int] = set()

    async def run(self) -> None:
        """Deliver what comes, until cancelled."""
        limits = httpx.Limits(max_connections=100)
        client = httpx.AsyncClient(timeout=_TIMEOUT, limits=limits, trust_env=False)
        async with client, asyncio.TaskGroup() as group:
            while True:
                await self._state.updates.arrived.wait()
                self._state.updates.arrived.clear()
                for update in self._ready():
                    chat_id = _chat_of(update)
                    self._busy.add(chat_id)
                    group.create_task(self._deliver(client, update, chat_id))

    def _ready(self) -> list[JsonObject]:
        """Return the next update of each chat that has none under way."""
        webhook, updates = self._state.webhook, self._state.updates
        if not webhook:
            return []
        free = webhook["max_connections"] - len(self._busy)
        ready: dict[int, JsonObject] = {}
        for update in updates.waiting():
            if len(ready) >= free:
                break
            chat_id = _chat_of(update)
            if chat_id not in self._busy:
                ready.setdefault(chat_id, update)
        return list(ready.values())

    async def _deliver(self, client: httpx.AsyncClient, update: JsonObject, chat_id: int) -> None:
        webhook, delay = self._state.webhook, self._retry_delay
        while self._state.webhook is webhook:
            trouble = await self._attempt(client, webhook, update)
            if not trouble:
                self._state.updates.confirm(update["update_id"])
                break
            self._state.webhook_trouble = {"last_error_date": int(time.time()), "last_error_message": trouble}
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)
        self._busy.discard(chat_id)
        self._state.updates.arrived.set()

    async def _attempt(self, client: httpx.AsyncClient, webhook: JsonObject, update: JsonObject) -> str:
        """Deliver once; returns what went wrong, empty if nothing."""
        headers = {"content-type": "application/json"}
        if webhook["secret_token"]:
            headers["x-telegram-bot-api-secret-token"] = webhook["secret_token"]
        try:
            response = await client.post(webhook["url"], content=msgspec.json.encode(update), headers=headers)
        except httpx.TimeoutException:
            return "Read timeout expired"
        except (httpx.HTTPError, httpx.InvalidURL):
            return "Connection refused"
        if not response.is_success:
            return f"Wrong response from the webhook: {response.status_code} {response.reason_phrase}"
        self._reply(response)
        return ""

    def _reply(self, response: httpx.Response) -> None:
        """Run the method that a bot may put into its answer; the bot never learns what became of it."""
        with contextlib.suppress(ApiError):
            params = Params.parse(b"", response.headers.get("content-type", ""), response.content)
            if params.text("method"):
                call(self._state, params.text("method").lower(), params)


def _chat_of(update: JsonObject) -> int:
    content: JsonObject = next(value for key, value in update.items() if key != "update_id")
    return int(content["from"]["id"])
