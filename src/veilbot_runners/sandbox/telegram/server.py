"""The sandbox's Telegram as one thing to start, mount and stop."""

import asyncio
from types import TracebackType
from typing import Self

from litestar import Router, asgi
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from veilbot_runners.sandbox.telegram.api import BotApi
from veilbot_runners.sandbox.telegram.customers import Customers
from veilbot_runners.sandbox.telegram.routes import customer_app
from veilbot_runners.sandbox.telegram.state import TelegramState
from veilbot_runners.sandbox.telegram.webhook import Webhook


class TelegramSandbox(TelegramState):
    """A local Telegram for one bot: an async context manager that owns the webhook deliveries.

    ``retry_delay`` is the pause before the second attempt of a delivery, in seconds; it doubles up to a minute.
    """

    def __init__(
        self, token: str, *, username: str = "veilbot_bot", name: str = "VeilBot", retry_delay: float = 1.0
    ) -> None:
        super().__init__(token, username=username, name=name)
        self.customers = Customers(self)
        self._webhook = Webhook(self, retry_delay)
        self._group = asyncio.TaskGroup()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._tasks.append(self._group.create_task(self._webhook.run()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    def stop(self) -> None:
        """End every waiting request, and let none wait again.

        Call it before the HTTP server is asked to stop: the server waits for requests under way, and a long poll
        may last a minute.
        """
        self.updates.close()
        self.chats.changed.close()
        self.queries.close()


def telegram_router(sandbox: TelegramSandbox) -> Router:
    """Return everything under ``/sandbox/telegram``: the Bot API, the customers' HTTP and the chat page."""
    api = BotApi(sandbox)
    customers = customer_app(sandbox)

    @asgi("/", is_mount=True, copy_scope=True)
    async def telegram(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["path"].startswith(("/bot", "/file/bot")):
            await api(scope, receive, send)
        else:
            await customers(scope, receive, send)

    return Router("/sandbox/telegram", route_handlers=[telegram])
