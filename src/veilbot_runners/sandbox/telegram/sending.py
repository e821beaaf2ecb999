"""Methods that write to a chat or read about it."""

from typing import TYPE_CHECKING

from veilbot_runners.sandbox.telegram.chats import Chat
from veilbot_runners.sandbox.telegram.entities import formatted
from veilbot_runners.sandbox.telegram.errors import ApiError, JsonObject, bad_request
from veilbot_runners.sandbox.telegram.files import StoredFile
from veilbot_runners.sandbox.telegram.html import utf16
from veilbot_runners.sandbox.telegram.keyboards import reply_markup
from veilbot_runners.sandbox.telegram.params import Params, as_object, number

if TYPE_CHECKING:
    from veilbot_runners.sandbox.telegram.state import TelegramState

_TEXT = 4096
_CAPTION = 1024
_PHOTO_BYTES = 10 * 1024 * 1024
_FILE_BYTES = 50 * 1024 * 1024
_PHOTO_SIDES = 10_000
_ANSWER = 200
_ACTIONS = frozenset(
    {
        "typing",
        *(f"upload_{kind}" for kind in ("photo", "video", "voice", "document", "video_note")),
        *(f"record_{kind}" for kind in ("video", "voice", "video_note")),
        "choose_sticker",
        "find_location",
    }
)


def read_message_text(params: Params) -> tuple[str, list[JsonObject]]:
    """Return the text of a message to send or edit. Raises ApiError."""
    if not params.text("text"):
        raise bad_request("message text is empty")
    text, entities = formatted(params, "text", "entities")
    if not text:
        raise bad_request("text must be non-empty")
    if utf16(text) > _TEXT:
        raise bad_request("message is too long")
    return text, entities


def read_caption(params: Params) -> tuple[str, list[JsonObject]]:
    """Return the text under a picture. Raises ApiError."""
    text, entities = formatted(params, "caption", "caption_entities")
    if utf16(text) > _CAPTION:
        raise bad_request("message caption is too long")
    return text, entities


def send_message(state: "TelegramState", params: Params) -> JsonObject:
    """Send a text."""
    text, entities = read_message_text(params)
    chat = state.chats.reachable(params)
    return _post(state, chat, params, text=text, entities=entities)


def send_photo(state: "TelegramState", params: Params) -> JsonObject:
    """Send a picture."""
    photo = read_photo(state, params, params.text("photo"), "photo")
    caption, entities = read_caption(params)
    chat = state.chats.reachable(params)
    return _post(state, chat, params, photo=photo.as_photo(), caption=caption, caption_entities=entities)


def send_document(state: "TelegramState", params: Params) -> JsonObject:
    """Send a file."""
    document = read_file(state, params, params.text("document"), "document")
    caption, entities = read_caption(params)
    chat = state.chats.reachable(params)
    return _post(state, chat, params, document=document.as_document(), caption=caption, caption_entities=entities)


def read_file(state: "TelegramState", params: Params, value: str, name: str) -> StoredFile:
    """Return the file that a call brings or names. Raises ApiError."""
    upload = params.upload(value, name)
    if upload is not None:
        if not upload.content:
            raise bad_request("file must be non-empty")
        if len(upload.content) > _FILE_BYTES:
            raise ApiError(413, "Request Entity Too Large")
        return state.files.add(upload.content, upload.name)
    if not value or value.startswith("attach://"):
        raise bad_request(f"there is no {name} in the request")
    if value.startswith(("http://", "https://")):
        raise bad_request("failed to get HTTP URL content")  # the sandbox goes nowhere
    known = state.files.get(value)
    if known is None:
        raise bad_request("wrong remote file identifier specified: Wrong string length")
    return known


def read_photo(state: "TelegramState", params: Params, value: str, name: str) -> StoredFile:
    """Return the picture that a call brings or names. Raises ApiError."""
    photo = read_file(state, params, value, name)
    if len(photo.content) > _PHOTO_BYTES:
        raise bad_request(f"file of size {len(photo.content)} bytes is too big for a photo")
    if not photo.width or not photo.height:
        raise bad_request("IMAGE_PROCESS_FAILED")
    if photo.width + photo.height > _PHOTO_SIDES or not 1 / 20 <= photo.width / photo.height <= 20:
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    return photo


def _post(state: "TelegramState", chat: Chat, params: Params, **content: object) -> JsonObject:
    markup = reply_markup(params)
    content["reply_to_message"] = _replied(chat, params)
    if markup is not None and "inline_keyboard" in markup:
        content["reply_markup"] = markup
    elif markup is not None:
        chat.keyboard = [[button["text"] for button in row] for row in markup.get("keyboard", ())]
    return state.chats.from_bot(chat, **content)


def _replied(chat: Chat, params: Params) -> JsonObject | None:
    given = params.json("reply_parameters")
    if given is None:
        return None
    wanted = as_object(given, "can't parse reply parameters JSON object")
    message = chat.messages.get(number(wanted.get("message_id")))
    if message is None and wanted.get("allow_sending_without_reply") is not True:
        raise bad_request("message to be replied not found")
    return {key: value for key, value in message.items() if key != "reply_to_message"} if message else None


def copy_message(state: "TelegramState", params: Params) -> JsonObject:
    """Send a message again, without a word about where it was."""
    copied = _source(state, params, "copy")
    content = {key: copied[key] for key in _CONTENT if key in copied}
    if "caption" in params.fields and ("photo" in content or "document" in content):
        content["caption"], content["caption_entities"] = read_caption(params)
    message = _post(state, state.chats.reachable(params), params, **content)
    return {"message_id": message["message_id"]}


def forward_message(state: "TelegramState", params: Params) -> JsonObject:
    """Send a message on, with its sender."""
    forwarded = _source(state, params, "forward")
    content = {key: forwarded[key] for key in _CONTENT if key in forwarded}
    origin = {"type": "user", "date": forwarded["date"], "sender_user": forwarded["from"]}
    return state.chats.from_bot(state.chats.reachable(params), forward_origin=origin, **content)


_CONTENT = ("text", "entities", "photo", "document", "caption", "caption_entities")


def _source(state: "TelegramState", params: Params, verb: str) -> JsonObject:
    message = state.chats.named(params, "from_chat_id").messages.get(params.integer("message_id"))
    if message is None:
        raise bad_request(f"message to {verb} not found")
    if not any(key in message for key in ("text", "photo", "document")):
        raise bad_request(f"message can't be {'copied' if verb == 'copy' else 'forwarded'}")
    return message


def send_chat_action(state: "TelegramState", params: Params) -> bool:
    """Show that the bot is at work, for five seconds or until it sends something."""
    chat = state.chats.reachable(params)
    if params.text("action") not in _ACTIONS:
        raise bad_request("wrong parameter action in request")
    state.chats.type(chat)
    return True


def answer_callback_query(state: "TelegramState", params: Params) -> bool:
    """Answer a tap on a button, once."""
    text = params.text("text")
    if len(text) > _ANSWER:
        raise bad_request("MESSAGE_TOO_LONG")
    answer = {"text": text, "show_alert": params.flag("show_alert"), "url": params.text("url")}
    state.queries.answer(params.text("callback_query_id"), answer)
    return True


def get_chat(state: "TelegramState", params: Params) -> JsonObject:
    """Tell about a chat."""
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
    more = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": dict.fromkeys(gifts, False)}
    return {**state.chats.named(params).as_chat(), **more}


def get_chat_member(state: "TelegramState", params: Params) -> JsonObject:
    """Tell about one of the two who are in a private chat."""
    chat = state.chats.named(params)
    user_id = params.integer("user_id")
    if user_id not in {chat.id, state.bot["id"]}:
        raise bad_request("member not found")
    return {"status": "member", "user": chat.as_user() if user_id == chat.id else state.bot}


def get_file(state: "TelegramState", params: Params) -> JsonObject:
    """Tell where a file can be downloaded."""
    file = state.files.get(params.text("file_id"))
    if file is None:
        raise bad_request("invalid file_id" if params.text("file_id") else "file_id not specified")
    return {**file.as_file(), "file_path": file.path}
