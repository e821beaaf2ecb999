"""The customer's side over HTTP: what a person does in the page, a script can do too."""

from typing import Annotated, Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, delete, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from veilbot_runners.sandbox import pages
from veilbot_runners.sandbox.telegram.customers import Customers
from veilbot_runners.sandbox.telegram.errors import JsonObject, Refusal
from veilbot_runners.sandbox.telegram.faults import Fault, FaultKind
from veilbot_runners.sandbox.telegram.state import TelegramState
from veilbot_runners.sandbox.telegram.views import chat_line, chat_view, item_view

_LISTED = 200
_LONGEST_WAIT = 30.0
Name = Annotated[str, Meta(max_length=64)]
Language = Annotated[str, Meta(pattern=r"^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$")]
Seconds = Annotated[float, Meta(ge=0, le=30)]


class NewChat(msgspec.Struct, forbid_unknown_fields=True):
    """A new customer."""

    name: Name = ""
    language_code: Language = "en"


class NewMessage(msgspec.Struct, forbid_unknown_fields=True):
    """What a customer writes; name and language count for the first message."""

    text: str
    name: Name = ""
    language_code: Language = "en"


class Tap(msgspec.Struct, forbid_unknown_fields=True):
    """A tap on a button."""

    message_id: int
    data: str
    wait: Seconds = 2.0


class Pay(msgspec.Struct, forbid_unknown_fields=True):
    """A payment: of an invoice in the chat, or of an invoice link."""

    message_id: int = 0
    slug: str = ""


class NewFault(msgspec.Struct, forbid_unknown_fields=True):
    """A fault to arm; see `Fault`."""

    kind: FaultKind
    times: Annotated[int, Meta(ge=1, le=100_000)] = 1
    retry_after: Annotated[int, Meta(ge=1, le=3600)] = 1
    seconds: Annotated[float, Meta(ge=0, le=600)] = 30.0
    method: Annotated[str, Meta(max_length=64)] = ""
    chat_id: int = 0


def customer_app(state: TelegramState) -> Litestar:
    """Return the application behind ``/sandbox/telegram`` without the Bot API."""
    customers = Customers(state)
    return Litestar(
        route_handlers=[*_page_routes(), *_chat_routes(state, customers), *_acts(customers), *_faults(state)],
        exception_handlers={Refusal: _refused, HTTPException: _http_error},
        openapi_config=None,
        logging_config=None,
    )


def _page_routes() -> list[ControllerRouterHandler]:
    @get("/", media_type=MediaType.HTML)
    async def chat_page() -> Response[bytes]:
        return Response(pages.read("chat.html"), headers=pages.HEADERS)

    @get("/pages/{name:str}")
    async def asset(name: FromPath[str]) -> Response[bytes]:
        if name not in pages.ASSETS:
            raise Refusal(404, "there is no such page")
        return Response(pages.read(name), headers=pages.HEADERS, media_type=pages.ASSETS[name])

    return [chat_page, asset]


def _chat_routes(state: TelegramState, customers: Customers) -> list[ControllerRouterHandler]:
    @get("/chats")
    async def chats(after: FromQuery[int] = -1, wait: FromQuery[float] = 0.0) -> JsonObject:
        if after == state.chats.version:
            await state.chats.changed.wait(min(wait, _LONGEST_WAIT))
        newest = sorted(state.chats.all.values(), key=lambda chat: chat.version, reverse=True)
        lines = [chat_line(chat) for chat in newest[:_LISTED]]
        return {"version": state.chats.version, "closing": state.chats.changed.closed, "items": lines}

    @post("/chats")
    async def new_chat(data: JSONBody[NewChat]) -> JsonObject:
        return chat_view(state, customers.arrive(data.name, data.language_code))

    @get("/chats/{chat:int}")
    async def chat(chat: FromPath[int], after: FromQuery[int] = -1, wait: FromQuery[float] = 0.0) -> JsonObject:
        found = customers.find(chat)
        await state.chats.changed.until(lambda: found.version != after, min(wait, _LONGEST_WAIT))
        return chat_view(state, found)

    @get("/files/{file_id:str}")
    async def file(file_id: FromPath[str]) -> Response[bytes]:
        found = state.files.get(file_id)
        if found is None:
            raise Refusal(404, "there is no such file")
        headers = {**pages.HEADERS, "cache-control": "private, max-age=3600"}
        if not found.width:
            headers["content-disposition"] = "attachment"
        return Response(found.content, headers=headers, media_type=found.mime)

    return [chats, new_chat, chat, file]


def _acts(customers: Customers) -> list[ControllerRouterHandler]:
    @post("/chats/{chat:int}/messages")
    async def say(chat: FromPath[int], data: JSONBody[NewMessage]) -> JsonObject:
        message = customers.say(chat, data.text, name=data.name, language_code=data.language_code)
        return item_view(customers.state, message)

    @post("/chats/{chat:int}/taps", status_code=200)
    async def tap(chat: FromPath[int], data: JSONBody[Tap]) -> JsonObject:
        answer = await customers.tap(chat, data.message_id, data.data, data.wait)
        nothing = {"text": "", "show_alert": False, "url": ""}
        return {"answered": bool(answer), **nothing, **(answer or {})}

    @post("/chats/{chat:int}/pay", status_code=200)
    async def pay(chat: FromPath[int], data: JSONBody[Pay]) -> JsonObject:
        return await customers.pay(chat, data.slug or f"message:{data.message_id}")

    @post("/chats/{chat:int}/block", status_code=200)
    async def block(chat: FromPath[int]) -> JsonObject:
        customers.block(chat, blocked=True)
        return {"blocked": True}

    @post("/chats/{chat:int}/unblock", status_code=200)
    async def unblock(chat: FromPath[int]) -> JsonObject:
        customers.block(chat, blocked=False)
        return {"blocked": False}

    return [say, tap, pay, block, unblock]


def _faults(state: TelegramState) -> list[ControllerRouterHandler]:
    def view() -> JsonObject:
        return {"items": [msgspec.to_builtins(fault) for fault in state.faults.armed()]}

    @get("/faults")
    async def armed() -> JsonObject:
        return view()

    @post("/faults")
    async def arm(data: JSONBody[NewFault]) -> JsonObject:
        state.faults.arm(Fault(**msgspec.structs.asdict(data)))
        return view()

    @delete("/faults", status_code=200)
    async def clear() -> JsonObject:
        state.faults.clear()
        return view()

    return [armed, arm, clear]


def _refused(_: Request[Any, Any, Any], error: Refusal) -> Response[JsonObject]:
    return _problem(error.status, error.detail, {})


def _http_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[JsonObject]:
    return _problem(error.status_code, error.detail, error.headers or {})


def _problem(status: int, detail: str, headers: dict[str, str]) -> Response[JsonObject]:
    body = {"type": "about:blank", "status": status, "detail": detail}
    return Response(body, status_code=status, headers=headers, media_type="application/problem+json")
