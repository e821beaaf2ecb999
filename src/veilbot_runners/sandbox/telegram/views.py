"""Chats as the customer's side shows them."""

import time

from veilbot_runners.sandbox.telegram.chats import Chat
from veilbot_runners.sandbox.telegram.entities import render
from veilbot_runners.sandbox.telegram.errors import JsonObject
from veilbot_runners.sandbox.telegram.state import TelegramState

FILES = "/sandbox/telegram/files/"


def chat_view(state: TelegramState, chat: Chat) -> JsonObject:
    """Return a chat with all its messages, as ``GET /chats/{chat}`` answers."""
    language = chat.language_code
    return {
        "chat": {
            "id": chat.id,
            "name": chat.name,
            "language_code": language,
            "blocked": chat.blocked,
            "purpose": chat.purpose,
            "typing": chat.typing_until > time.time(),
        },
        "bot": {
            "name": state.profile.text_for("name", language) or state.bot["first_name"],
            "username": state.bot["username"],
            "description": state.profile.text_for("description", language),
        },
        "commands": state.profile.commands_for(chat.id, language),
        "keyboard": chat.keyboard,
        "version": chat.version,
        "items": [item_view(state, message) for message in chat.messages.values()],
    }


def chat_line(chat: Chat) -> JsonObject:
    """Return a chat as a list shows it."""
    last = next(reversed(chat.messages.values()), None)
    return {
        "id": chat.id,
        "name": chat.name,
        "language_code": chat.language_code,
        "blocked": chat.blocked,
        "purpose": chat.purpose,
        "version": chat.version,
        "last": None if last is None else {"text": _summary(last), "date": last["date"]},
    }


def item_view(state: TelegramState, message: JsonObject) -> JsonObject:
    """Return one message: who, when, text, HTML that is safe to show, buttons, picture."""
    item: JsonObject = {
        "message_id": message["message_id"],
        "from": "bot" if message["from"]["is_bot"] else "customer",
        "date": message["date"],
        "text": message.get("text", ""),
        "buttons": [[_button(button) for button in row] for row in _rows(message)],
    }
    if "text" in message:
        item["html"] = render(message["text"], message.get("entities", ()))
    if "caption" in message:
        item["caption"] = message["caption"]
        item["caption_html"] = render(message["caption"], message.get("caption_entities", ()))
    if "edit_date" in message:
        item["edited"] = True
    item.update(_media(message))
    item.update(_money(state, message))
    replied = message.get("reply_to_message")
    if replied is not None:
        item["reply_to"] = {"message_id": replied["message_id"], "text": _summary(replied)}
    return item


def _rows(message: JsonObject) -> list[list[JsonObject]]:
    rows: list[list[JsonObject]] = message.get("reply_markup", {}).get("inline_keyboard", [])
    return rows


def _button(button: JsonObject) -> JsonObject:
    shown: JsonObject = {"text": button["text"]}
    if "callback_data" in button:
        shown["data"] = button["callback_data"]
    for kind in ("web_app", "login_url"):
        if kind in button:
            shown["url"] = button[kind]["url"]
    if "copy_text" in button:
        shown["copy"] = button["copy_text"]["text"]
    return {**shown, **{key: button[key] for key in ("url", "pay", "style") if key in button}}


def _media(message: JsonObject) -> JsonObject:
    if "photo" in message:
        photo = message["photo"][-1]
        shown = {"url": FILES + photo["file_id"], "width": photo["width"], "height": photo["height"]}
        return {"photo": shown}
    if "document" in message:
        file = message["document"]
        return {"document": {"url": FILES + file["file_id"], "name": file["file_name"], "size": file["file_size"]}}
    return {}


def _money(state: TelegramState, message: JsonObject) -> JsonObject:
    if "invoice" in message:
        known = state.stars.invoices.get(f"message:{message['message_id']}", {})
        return {"invoice": {**message["invoice"], "paid": known.get("paid", False)}}
    for kind in ("successful_payment", "refunded_payment"):
        if kind in message:
            paid = message[kind]
            return {"service": {"kind": kind, "amount": paid["total_amount"], "currency": paid["currency"]}}
    return {}


def _summary(message: JsonObject) -> str:
    text = message.get("text") or message.get("caption")
    if text:
        return str(text)[:120]
    for kind, name in (("photo", "Picture"), ("document", "File"), ("invoice", "Invoice")):
        if kind in message:
            return name
    return "Payment"
