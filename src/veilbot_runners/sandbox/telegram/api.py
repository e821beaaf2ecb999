"""The Bot API over HTTP: one bare ASGI application, because the benchmarks send thousands of messages through it."""

import asyncio
import hmac
from collections.abc import Sequence
from urllib.parse import unquote

import msgspec
from litestar.types import Receive, Scope, Send

from veilbot_runners.sandbox.telegram.errors import ApiError, JsonObject, blocked, too_many
from veilbot_runners.sandbox.telegram.faults import Fault, FaultKind
from veilbot_runners.sandbox.telegram.methods import call
from veilbot_runners.sandbox.telegram.params import Params
from veilbot_runners.sandbox.telegram.state import TelegramState

_LARGEST_BODY = 52 * 1024 * 1024
_ENCODE = msgspec.json.Encoder().encode


class BotApi:
    """Answers ``/bot{token}/{method}`` and ``/file/bot{token}/{path}``."""

    def __init__(self, state: TelegramState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; ``scope["path"]`` begins where the base address ends."""
        path = unquote(scope["path"]).strip("/")
        if path.startswith("file/bot"):
            await self._download(path.removeprefix("file/bot"), send)
            return
        token, _, method = path.removeprefix("bot").partition("/")
        method = method.lower()
        try:
            self._check(scope, token, method)
            params = Params.parse(scope["query_string"], _content_type(scope), await _body(receive))
            await self._run(method, params, receive, send)
        except ApiError as error:
            await _answer(send, error.code, error.body())

    def _check(self, scope: Scope, token: str, method: str) -> None:
        if not method or "/" in method:
            raise ApiError(404, "Not Found")
        if not hmac.compare_digest(token.encode(), self._state.token.encode()):
            raise ApiError(401, "Unauthorized")
        if scope.get("method") not in {"GET", "POST"}:
            raise ApiError(405, "Method Not Allowed")

    async def _run(self, method: str, params: Params, receive: Receive, send: Send) -> None:
        fault = self._state.faults.take(method, params.integer("chat_id"))
        if fault is not None and await self._fail(fault, receive, send):
            return
        if method == "getupdates":
            await _answer(send, 200, {"ok": True, "result": await self._updates(params, receive)})
            return
        result = call(self._state, method, params)
        if fault is not None and fault.kind is FaultKind.LOST:
            await _break_off(send)
            return
        await _answer(send, 200, {"ok": True, "result": result})

    async def _updates(self, params: Params, receive: Receive) -> Sequence[JsonObject]:
        """Poll; a poller that goes away must neither get updates nor count as the other one."""
        updates = self._state.updates
        poll = updates.begin(params)
        if poll is None:
            return updates.take(params)
        refusal: ApiError | None = None
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_watch(receive, poll))
            try:
                await updates.wait(poll, params)
            except ApiError as error:
                refusal = error
            watching.cancel()
        if refusal is not None:
            raise refusal
        return updates.take(params)

    async def _fail(self, fault: Fault, receive: Receive, send: Send) -> bool:
        """Let a call meet its fault; False if it is to be done all the same."""
        match fault.kind:
            case FaultKind.TOO_MANY:
                raise too_many(fault.retry_after)
            case FaultKind.FORBIDDEN:
                raise blocked()
            case FaultKind.BROKEN:
                raise ApiError(500, "Internal Server Error")
            case FaultKind.DROP:
                await _break_off(send)
                return True
            case FaultKind.HANG:
                await _hang(receive, fault.seconds)
                await _break_off(send)
                return True
            case _:
                return False

    async def _download(self, rest: str, send: Send) -> None:
        token, _, path = rest.partition("/")
        file = self._state.files.at(path)
        if not hmac.compare_digest(token.encode(), self._state.token.encode()) or file is None:
            error = ApiError(404, "Not Found")
            await _answer(send, error.code, error.body())
            return
        await _send(send, 200, file.content, file.mime.encode())


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")  # type: ignore[assignment]
    if not message.get("more_body"):
        return body
    chunks = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        chunk: bytes = message.get("body", b"")  # type: ignore[assignment]
        size += len(chunk)
        if size > _LARGEST_BODY:
            raise ApiError(413, "Request Entity Too Large")
        chunks.append(chunk)
    return b"".join(chunks)


def _content_type(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"content-type":
            return value.decode("latin-1")
    return ""


async def _watch(receive: Receive, poll: "asyncio.Future[str]") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if not poll.done():
        poll.set_result("the poller went away")


async def _hang(receive: Receive, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


async def _break_off(send: Send) -> None:
    """Promise a body and send none: the server closes the connection."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"64")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _answer(send: Send, status: int, body: JsonObject) -> None:
    await _send(send, status, _ENCODE(body), b"application/json")


async def _send(send: Send, status: int, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
