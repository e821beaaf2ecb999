"""Idempotency keys: the answer to a POST that was sent before is the answer that it got."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from uuid import UUID

import msgspec
from litestar.di import NamedDependency
from litestar.params import SkipValidation
from litestar.types import Message, Send

from veilbot_core.services.requests import Answer, Requests
from veilbot_runners.api.errors import MEDIA_TYPE

Attempt = NamedDependency[SkipValidation[UUID]]
"""A handler's parameter: the id of what a POST asks for, the same each time that it is sent under one key."""


@dataclass(slots=True)
class _Recording:
    """A response on its way out."""

    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        """Keep what an application sends."""
        self.messages.append(message)

    def answer(self, hide: str | None) -> Answer:
        """Return what is worth remembering; the field ``hide`` is shown once and never again."""
        status = next(m["status"] for m in self.messages if m["type"] == "http.response.start")
        body = b"".join(m["body"] for m in self.messages if m["type"] == "http.response.body")
        if hide is not None and status < HTTPStatus.BAD_REQUEST:
            body = msgspec.json.encode(msgspec.json.decode(body) | {hide: None})
        return Answer(status=status, body=body)


@dataclass(frozen=True, slots=True)
class Once:
    """Answers a request that carries an idempotency key."""

    requests: Requests

    async def answer(
        self,
        caller: UUID,
        key: str,
        fingerprint: str,
        act: Callable[[UUID, Send], Awaitable[None]],
        send: Send,
        *,
        hide: str | None = None,
    ) -> None:
        """Let ``act`` answer, given the request's id and where to, or send what it answered before."""
        recording = _Recording()

        async def run(request: UUID) -> Answer:
            await act(request, recording.send)
            return recording.answer(hide)

        remembered = await self.requests.once(caller, key, fingerprint, run)
        for message in recording.messages or _replay(remembered):
            await send(message)


def _replay(answer: Answer) -> list[Message]:
    kind = MEDIA_TYPE if answer.status >= HTTPStatus.BAD_REQUEST else "application/json"
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"idempotency-replayed", b"true"),
    ]
    return [
        {"type": "http.response.start", "status": answer.status, "headers": headers},
        {"type": "http.response.body", "body": answer.body, "more_body": False},
    ]
