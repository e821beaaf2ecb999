"""Methods that change or take away messages."""

import time
from typing import TYPE_CHECKING

from veilbot_runners.sandbox.telegram.chats import Chat
from veilbot_runners.sandbox.telegram.entities import read_text
from veilbot_runners.sandbox.telegram.errors import JsonObject, bad_request
from veilbot_runners.sandbox.telegram.html import utf16
from veilbot_runners.sandbox.telegram.keyboards import reply_markup
from veilbot_runners.sandbox.telegram.params import Params, as_list, as_object, number
from veilbot_runners.sandbox.telegram.sending import read_caption, read_file, read_message_text, read_photo

if TYPE_CHECKING:
    from veilbot_runners.sandbox.telegram.state import TelegramState

_COMPARED = ("text", "entities", "caption", "caption_entities", "photo", "document", "reply_markup")
_SAME = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
_AT_ONCE = 100
_CAPTION = 1024


def edit_message_text(state: "TelegramState", params: Params) -> JsonObject:
    """Change a text and its keyboard."""
    text, entities = read_message_text(params)
    chat, message = _mine(state, params)
    if "text" not in message:
        raise bad_request("there is no text in the message to edit")
    return _change(state, chat, message, params, text=text, entities=entities)


def edit_message_caption(state: "TelegramState", params: Params) -> JsonObject:
    """Change the text under a picture or file."""
    caption, entities = read_caption(params)
    chat, message = _mine(state, params)
    if "photo" not in message and "document" not in message:
        raise bad_request("there is no caption in the message to edit")
    return _change(state, chat, message, params, caption=caption, caption_entities=entities)


def edit_message_reply_markup(state: "TelegramState", params: Params) -> JsonObject:
    """Change a keyboard."""
    chat, message = _mine(state, params)
    return _change(state, chat, message, params)


def edit_message_media(state: "TelegramState", params: Params) -> JsonObject:
    """Change a picture or file."""
    media = as_object(params.json("media"), "can't parse InputMedia: expected an Object")
    texts = {key: value for key, value in media.items() if isinstance(value, str)}
    kind = texts.get("type", "")
    if kind not in {"photo", "document"}:
        raise bad_request("can't parse InputMedia: media must be a photo or a document in the sandbox")
    value = texts.get("media", "")
    caption, entities = read_text(texts.get("caption", ""), texts.get("parse_mode", ""), media.get("caption_entities"))
    if utf16(caption) > _CAPTION:
        raise bad_request("message caption is too long")
    chat, message = _mine(state, params)
    content: JsonObject = {"text": None, "entities": None, "photo": None, "document": None}
    if kind == "photo":
        content["photo"] = read_photo(state, params, value, "photo").as_photo()
    else:
        content["document"] = read_file(state, params, value, "document").as_document()
    return _change(state, chat, message, params, **content, caption=caption, caption_entities=entities)


def delete_message(state: "TelegramState", params: Params) -> bool:
    """Take a message away."""
    chat = state.chats.named(params)
    if not state.chats.delete(chat, params.integer("message_id")):
        raise bad_request("message to delete not found")
    return True


def delete_messages(state: "TelegramState", params: Params) -> bool:
    """Take several messages away; those that are not there do not matter."""
    chat = state.chats.named(params)
    message_ids = as_list(params.json("message_ids"), "message identifiers are not specified")
    if not 1 <= len(message_ids) <= _AT_ONCE:
        raise bad_request("too many message identifiers specified")
    for message_id in message_ids:
        state.chats.delete(chat, number(message_id))
    return True


def _mine(state: "TelegramState", params: Params) -> tuple[Chat, JsonObject]:
    chat = state.chats.reachable(params)
    if not params.text("message_id"):
        raise bad_request("message identifier is not specified")
    message = chat.messages.get(params.integer("message_id"))
    if message is None:
        raise bad_request("message to edit not found")
    if message["from"]["id"] != state.bot["id"]:  # after a restart it is equal, not the same
        raise bad_request("message can't be edited")
    return chat, message


def _change(state: "TelegramState", chat: Chat, message: JsonObject, params: Params, **content: object) -> JsonObject:
    markup = reply_markup(params, invoice="invoice" in message)
    if markup is not None and "inline_keyboard" not in markup:
        raise bad_request("inline keyboard expected")
    content["reply_markup"] = markup
    edited = {**message, **content, "edit_date": int(time.time())}
    edited = {key: value for key, value in edited.items() if value or key == "message_id"}
    if all(edited.get(key) == message.get(key) for key in _COMPARED):
        raise bad_request(_SAME)
    return state.chats.change(chat, edited)
