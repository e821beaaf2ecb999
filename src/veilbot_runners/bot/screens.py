"""Screens: text with buttons, and the Bot API calls that show it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any
from uuid import UUID

_TAG = re.compile(r"<[^>]*>")
Button = Mapping[str, str]
Row = tuple[Button, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG with a few words under it."""

    png: bytes
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a customer shall see; pictures are sent below, and the screen that is there stays."""

    text: str = ""
    rows: tuple[Row, ...] = ()
    pictures: tuple[Picture, ...] = ()
    bill: UUID | None = None
    """The order whose money it asks for, if it does."""
    toast: str = ""
    """A few words over the chat, instead of a screen where there is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the Bot API."""

    method: str
    payload: Mapping[str, Any]
    png: bytes | None = None


def goto(text: str, data: str) -> Button:
    """Make a button that leads to another screen."""
    return {"text": unescape(text), "callback_data": data}


def visit(text: str, url: str) -> Button:
    """Make a button that opens a page."""
    return {"text": unescape(text), "url": url}


def column(buttons: Iterable[Button]) -> tuple[Row, ...]:
    """Put buttons below each other."""
    return tuple((button,) for button in buttons)


def send(chat_id: int, screen: Screen) -> list[Call]:
    """Show a screen as a new message, or its pictures as several."""
    if not screen.pictures:
        return [Call(method="sendMessage", payload={"chat_id": chat_id, **_content(screen)})]
    about = {"chat_id": str(chat_id), "parse_mode": "HTML"}
    return [
        Call(method="sendPhoto", payload={**about, "caption": picture.caption}, png=picture.png)
        for picture in screen.pictures
    ]


def edit(chat_id: int, message_id: int, screen: Screen) -> Call:
    """Show a screen in the place of another."""
    return Call(method="editMessageText", payload={"chat_id": chat_id, "message_id": message_id, **_content(screen)})


def answer(query_id: str, toast: str = "") -> Call:
    """End the tap, with a few words over the chat if there are any."""
    payload: dict[str, Any] = {"callback_query_id": query_id}
    if toast:
        payload["text"] = unescape(_TAG.sub("", toast))[:200]  # plain text, and the most that Telegram takes
    return Call(method="answerCallbackQuery", payload=payload)


def refuse(query_id: str, reason: str) -> Call:
    """Keep an invoice from being paid, and say why."""
    payload = {"pre_checkout_query_id": query_id, "ok": False, "error_message": unescape(_TAG.sub("", reason))}
    return Call(method="answerPreCheckoutQuery", payload=payload)


def _content(screen: Screen) -> dict[str, Any]:
    content: dict[str, Any] = {
        "text": screen.text,
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    if screen.rows:
        content["reply_markup"] = {"inline_keyboard": screen.rows}
    return content
