"""Questions to the bot that wait for its answer: taps on buttons, and payments about to happen."""

import asyncio
import secrets

from veilbot_runners.sandbox.telegram.errors import JsonObject, bad_request

_KEPT = 10_000


class Queries:
    """Each question can be answered once."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[JsonObject]] = {}

    def ask(self) -> str:
        """Return the id of a new question."""
        query_id = str(secrets.randbits(62))
        self._open[query_id] = asyncio.get_running_loop().create_future()
        if len(self._open) > _KEPT:
            del self._open[next(iter(self._open))]
        return query_id

    def answer(self, query_id: str, answer: JsonObject) -> None:
        """Take the bot's answer. Raises ApiError for an unknown or answered question."""
        question = self._open.get(query_id)
        if question is None or question.done():
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        question.set_result(answer)

    async def wait(self, query_id: str, seconds: float) -> JsonObject | None:
        """Return the answer, or None if it does not come in time; it may still come later."""
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(self._open[query_id])
        except TimeoutError:
            return None

    def close(self) -> None:
        """End every wait."""
        for question in self._open.values():
            if not question.done():
                question.set_result({})
