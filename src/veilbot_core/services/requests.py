"""Requests: a POST that is sent twice under one idempotency key happens once."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import cast
from uuid import UUID

from veilbot_core.domain.errors import Conflict, InvalidInput, PortError
from veilbot_core.domain.ids import derive
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.storage import Storage, UnitOfWork

_LOG = logging.getLogger(__name__)
_PATIENCE = timedelta(seconds=60)
_KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a request was answered with."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Answers by idempotency key, kept for a day."""

    storage: Storage
    clock: Clock

    async def once(self, caller: UUID, key: str, fingerprint: str, act: Callable[[UUID], Awaitable[Answer]]) -> Answer:
        """Return the answer to a caller's request: the remembered one, or the one that ``act`` gives now.

        ``act`` is given the request's id, the same on every attempt, under which services remember what they make.
        Only answers below 500 are remembered. ``fingerprint`` tells another request under the same key apart.

        Raises:
            InvalidInput: the key is no key, or belongs to another request.
            Conflict: the same request is under way.
        """
        if not 1 <= len(key) <= 255 or not key.isprintable():
            raise InvalidInput("an idempotency key has 1 to 255 printable characters", field="Idempotency-Key")
        name = derive("request", caller, key)
        now = self.clock.now()
        known = await self.storage.write(lambda uow: uow.replies.begin(name, fingerprint, now, now + _PATIENCE))
        if known is not None:
            return _remembered(known, fingerprint)
        try:
            answer = await act(name)
        except BaseException:
            await self._note(lambda uow: uow.replies.release(name))
            raise
        if answer.status < 500:
            await self._note(lambda uow: uow.replies.answer(name, answer.status, answer.body))
        else:
            await self._note(lambda uow: uow.replies.release(name))
        return answer

    async def _note(self, work: Callable[[UnitOfWork], None]) -> None:
        """Write down how it ended; where that fails, its time runs out, and what it made is remembered all the same."""
        try:
            await self.storage.write(work)
        except PortError as error:
            _LOG.warning("how a request ended could not be written down: %s", error)

    async def purge(self) -> int:
        """Forget answers that are older than a day; return how many."""
        before = self.clock.now() - _KEPT
        return await self.storage.write(lambda uow: uow.replies.purge(before, 1000))


def _remembered(known: Mapping[str, object], fingerprint: str) -> Answer:
    if known["fingerprint"] != fingerprint:
        raise InvalidInput("this idempotency key was used for another request", field="Idempotency-Key")
    if known["status"] is None:
        raise Conflict("the same request is under way; ask again in a moment", retry_after=1.0)
    return Answer(status=cast("int", known["status"]), body=cast("bytes", known["body"]))
