"""Polling: updates asked for in a loop, acknowledged only when they have been handled.

Telegram forgets every update below the ``offset`` that it is asked with, so the offset is the oldest update that is
still being handled; what it sends again meanwhile is recognised and left out. aiogram's own loop acknowledges before
the work is done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from veilbot_core.domain.errors import Rejected, Unavailable
from veilbot_core.ports.clock import Clock
from veilbot_runners.bot.wire import Wire

_LOG = structlog.get_logger(__name__)
Raw = Mapping[str, Any]
KINDS = ("message", "callback_query", "my_chat_member", "pre_checkout_query")
"""The kinds of updates that the bot wants."""
_WAIT = 25  # seconds that Telegram holds an empty poll
_APART = 10.0  # seconds for another process that polls to come to its end
_REMIND = 600.0  # seconds between two complaints about it
_GRACE = 0.25  # seconds for a batch to be handled before Telegram is asked again beside it


class Poller:
    """Hands each update to ``handle``, side by side; the order within a customer is the handler's."""

    def __init__(self, wire: Wire, handle: Callable[[Raw], Awaitable[None]], clock: Clock, *, drain: float) -> None:
        self._wire = wire
        self._handle = handle
        self._clock = clock
        self._drain = drain
        self._next = 0
        self._running: dict[int, asyncio.Task[None]] = {}
        self._idle = asyncio.Event()
        self._complained = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until ``stop`` is set, then let what has begun come to its end, and acknowledge it.

        Raises:
            Rejected: Telegram does not know the token.
        """
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(stop.wait())
            while not stop.is_set():
                poll = group.create_task(self._fetch())
                await asyncio.wait({poll, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not poll.done():
                    poll.cancel()  # nothing is lost: an update counts as taken only with the next offset
                    break
                for update in poll.result():
                    self._begin(group, update)
                await self._settle(_GRACE)
            stopping.cancel()
            await self._settle(self._drain)
            for task in self._running.values():
                task.cancel()  # not acknowledged, so it comes again
        await self._acknowledge()

    def _begin(self, group: asyncio.TaskGroup, update: Raw) -> None:
        update_id = int(update["update_id"])
        if update_id in self._running:
            return
        self._next = max(self._next, update_id + 1)
        self._idle.clear()
        self._running[update_id] = group.create_task(self._work(update_id, update))

    async def _work(self, update_id: int, update: Raw) -> None:
        await self._handle(update)
        del self._running[update_id]
        if not self._running:
            self._idle.set()

    async def _settle(self, seconds: float) -> None:
        """Wait until nothing is being handled, for so long at most."""
        if not self._running:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return

    async def _fetch(self) -> Sequence[Raw]:
        """Ask once; trouble is logged, waited out, and gives nothing."""
        wait = 0 if self._running else _WAIT
        try:
            return await self._ask(wait)
        except Unavailable as error:
            _LOG.warning("polling failed", error=str(error))
            await self._clock.sleep(min(error.retry_after or 1.0, 60.0))
        except Rejected as error:
            if error.field == "token":
                raise
            if error.field == "conflict":
                self._complain(error)
                await self._clock.sleep(_APART)
            else:
                _LOG.warning("polling refused", error=str(error))
                await self._clock.sleep(3.0)
        return ()

    def _complain(self, error: Rejected) -> None:
        """Say that two processes poll, once: while one takes the place of another, it is no trouble."""
        if self._clock.monotonic() - self._complained < _REMIND:
            return
        self._complained = self._clock.monotonic()
        _LOG.error(
            "polling is for one process: end the other one, or set VEILBOT_TELEGRAM__MODE=webhook for several",
            error=str(error),
        )

    async def _ask(self, wait: int, limit: int = 100) -> Sequence[Raw]:
        offset = min(self._running, default=self._next)
        payload = {"offset": offset, "timeout": wait, "limit": limit, "allowed_updates": KINDS}
        updates: Sequence[Raw] = await self._wire.call("getUpdates", payload, patience=wait + 10.0)
        return updates

    async def _acknowledge(self) -> None:
        """Tell Telegram how far we came, so that the next start does not begin with old updates."""
        if not self._next:
            return
        try:
            await self._ask(0, limit=1)
        except (Unavailable, Rejected) as error:
            _LOG.warning("the last updates could not be acknowledged", error=str(error))
