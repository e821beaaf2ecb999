"""Updates: what happened, until the bot has confirmed it."""

import asyncio
import time
from collections.abc import Iterator
from itertools import islice

from veilbot_runners.sandbox.telegram.errors import ApiError, JsonObject, conflict
from veilbot_runners.sandbox.telegram.faults import Faults
from veilbot_runners.sandbox.telegram.params import Params, as_list

_LIMIT = 100
_LONGEST_POLL = 50
_NOT_BY_DEFAULT = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_OTHER_POLLER = "terminated by other getUpdates request; make sure that only one bot instance is running"
_WEBHOOK = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


class Updates:
    """The queue between the customers and the bot, drained by polling or by a webhook."""

    def __init__(self, faults: Faults) -> None:
        self.pending: dict[int, JsonObject] = {}
        self.webhook_set = False
        self.allowed: frozenset[str] = frozenset()
        self.arrived = asyncio.Event()
        """For the webhook's owner."""
        self._faults = faults
        self._again: dict[int, JsonObject] = {}
        self._replays: list[JsonObject] = []
        self._next_id = int(time.time()) % 10**8 * 10
        self._poll: asyncio.Future[str] | None = None
        self._closed = False

    def push(self, kind: str, content: JsonObject) -> None:
        """Tell the bot of something, if it listens to that."""
        if kind not in self.allowed if self.allowed else kind in _NOT_BY_DEFAULT:
            return
        self._next_id += 1
        update = {"update_id": self._next_id, kind: content}
        self.pending[self._next_id] = update
        if self._faults.duplicates():
            self._again[self._next_id] = update
        self.arrived.set()
        self._end_poll("")

    def allow(self, params: Params) -> None:
        """Remember which kinds the bot wants; a call that does not say changes nothing."""
        given = params.json("allowed_updates")
        if given is not None:
            kinds = as_list(given, "can't parse allowed_updates: expected an Array")
            self.allowed = frozenset(kind for kind in kinds if isinstance(kind, str))

    def confirm(self, update_id: int) -> None:
        """Forget an update that the bot has taken, unless it is to come twice."""
        if self.pending.pop(update_id, None) is None:
            self._replays = [update for update in self._replays if update["update_id"] != update_id]
            return
        again = self._again.pop(update_id, None)
        if again is not None:
            self._replays.append(again)
            self.arrived.set()

    def drop(self) -> None:
        """Forget all."""
        self.pending.clear()
        self._again.clear()
        self._replays.clear()

    def waiting(self) -> Iterator[JsonObject]:
        """Yield what is not confirmed yet."""
        yield from list(self._replays)
        yield from list(self.pending.values())

    def begin(self, params: Params) -> "asyncio.Future[str] | None":
        """Begin to answer getUpdates; a newer poll ends an older one, like at the real server.

        Returns: what to `wait` for, or None if the answer can be taken at once.

        Raises:
            ApiError: a webhook is set.
        """
        if self.webhook_set:
            raise conflict(_WEBHOOK)
        self._end_poll(_OTHER_POLLER)
        self.allow(params)
        self._confirm_before(params.integer("offset"))
        if self._closed:
            raise ApiError(502, "Bad Gateway")
        if self.pending or self._replays or params.integer("timeout") <= 0:
            return None
        self._poll = asyncio.get_running_loop().create_future()
        return self._poll

    async def wait(self, poll: "asyncio.Future[str]", params: Params) -> None:
        """Wait for an update, as long as the poll wants to.

        Raises:
            ApiError: another poll came, a webhook was set, or the sandbox stops.
        """
        try:
            async with asyncio.timeout(min(params.integer("timeout"), _LONGEST_POLL)):
                reason = await poll
        except TimeoutError:
            return
        finally:
            if self._poll is poll:
                self._poll = None
        if self._closed:
            raise ApiError(502, "Bad Gateway")
        if reason:
            raise conflict(reason)

    def take(self, params: Params) -> list[JsonObject]:
        """Return what waits; it goes on waiting until a later poll confirms it."""
        limit = params.integer("limit", _LIMIT)
        again, self._replays = self._replays, []
        return [*again, *islice(self.pending.values(), limit if 1 <= limit <= _LIMIT else _LIMIT)]

    def end_poll(self, reason: str = "") -> None:
        """End the waiting poll, with a conflict if there is a reason to tell."""
        self._end_poll(reason)

    def close(self) -> None:
        """End the waiting poll and let no other wait."""
        self._closed = True
        self._end_poll("")

    def _end_poll(self, reason: str) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(reason)

    def _confirm_before(self, offset: int) -> None:
        if offset < 0:  # keep only that many of the newest
            offset = next(iter(list(self.pending)[offset:]), self._next_id + 1)
        while self.pending and (oldest := next(iter(self.pending))) < offset:
            self.confirm(oldest)
