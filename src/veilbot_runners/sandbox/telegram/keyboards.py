"""Keyboards: the rules that Telegram has for ``reply_markup``."""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from veilbot_runners.sandbox.telegram.errors import ApiError, JsonObject, bad_request
from veilbot_runners.sandbox.telegram.params import Params, as_list, as_object

_CALLBACK_BYTES = 64
_COPY_TEXT = 256
_IN_ROW = 8
_IN_ALL = 100
_INLINE = "can't parse inline keyboard button: "
_SWITCHES = ("switch_inline_query", "switch_inline_query_current_chat")


def reply_markup(params: Params, *, invoice: bool = False) -> JsonObject | None:
    """Read the keyboard of a message, None where there is none.

    Raises:
        ApiError: Telegram would not take it.
    """
    given = params.json("reply_markup")
    if given is None:
        return None
    markup = as_object(given, "object expected as reply markup")
    if "inline_keyboard" in markup:
        return _inline(markup["inline_keyboard"], invoice=invoice)
    if "keyboard" in markup:
        return _reply(markup)
    if markup.get("remove_keyboard") is True:
        return {"remove_keyboard": True}
    return {"force_reply": True} if markup.get("force_reply") is True else None


def inline_buttons(message: JsonObject) -> Iterator[JsonObject]:
    """Yield every inline button of a message."""
    for row in message.get("reply_markup", {}).get("inline_keyboard", ()):
        yield from row


def _inline(rows: object, *, invoice: bool) -> JsonObject | None:
    complaint = 'field "inline_keyboard" must be of type Array'
    lists = [as_list(row, "can't parse inline keyboard row: expected an Array") for row in as_list(rows, complaint)]
    keyboard = [[_button(button, invoice=invoice) for button in row] for row in lists if row]
    if any(len(row) > _IN_ROW for row in keyboard) or sum(map(len, keyboard)) > _IN_ALL:
        raise bad_request("reply markup is too long")
    return {"inline_keyboard": keyboard} if keyboard else None


def _button(value: object, *, invoice: bool) -> JsonObject:
    button = as_object(value, "can't parse inline keyboard button: expected an Object")
    text = button.get("text")
    if not isinstance(text, str):
        raise bad_request(
            _INLINE + ('Can\'t find field "text"' if text is None else 'Field "text" must be of type String')
        )
    if not text.strip():
        raise bad_request("inline keyboard button text must be non-empty")
    action = _action(button, invoice=invoice)
    style = button.get("style")
    return {"text": text, **action, **({"style": style} if style in {"danger", "success", "primary"} else {})}


def _action(button: JsonObject, *, invoice: bool) -> JsonObject:
    """Return what a button does: the first of its fields that says so."""
    for kind, read in _ACTIONS.items():
        if button.get(kind):
            return {kind: read(button[kind])}
    for kind in _SWITCHES:
        if isinstance(button.get(kind), str):
            return {kind: button[kind]}
    if button.get("pay") is True:
        if not invoice:
            raise bad_request("BUTTON_TYPE_INVALID")
        return {"pay": True}
    raise bad_request(_INLINE + "Text buttons are unallowed in the inline keyboard")


def _callback_data(data: object) -> str:
    if not isinstance(data, str) or len(data.encode()) > _CALLBACK_BYTES:
        raise bad_request("BUTTON_DATA_INVALID")
    return data


def _page(value: object) -> JsonObject:
    return {"url": _address(as_object(value, _INLINE + "expected an Object").get("url"))}


def _copied(value: object) -> JsonObject:
    text = as_object(value, _INLINE + "expected an Object").get("text")
    if not isinstance(text, str) or not 0 < len(text) <= _COPY_TEXT:
        raise bad_request("BUTTON_COPY_TEXT_INVALID")
    return {"text": text}


def _address(url: object) -> str:
    if not isinstance(url, str):
        raise bad_request(_INLINE + 'Field "url" must be of type String')
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _wrong_address(url, "Wrong HTTP URL") from error
    if parts.scheme not in {"http", "https", "tg", "ton", ""}:
        raise _wrong_address(url, "Unsupported URL protocol")
    host = parts.netloc or (parts.path.partition("/")[0] if not parts.scheme else "")
    if parts.scheme != "tg" and "." not in host:  # the real one refuses "localhost" too
        raise _wrong_address(url, "Wrong HTTP URL")
    return url if parts.scheme else f"http://{url}"


def _wrong_address(url: str, why: str) -> ApiError:
    return bad_request(f"inline keyboard button URL '{url}' is invalid: {why}")


def _reply(markup: JsonObject) -> JsonObject:
    complaint = "can't parse reply keyboard markup JSON object"
    rows = [as_list(row, complaint) for row in as_list(markup["keyboard"], complaint)]
    keyboard = []
    for row in rows:
        texts = [button if isinstance(button, str) else as_object(button, complaint).get("text") for button in row]
        if not all(isinstance(text, str) and text for text in texts):
            raise bad_request('can\'t parse keyboard button: Field "text" must be of type String')
        keyboard.append([{"text": text} for text in texts])
    if sum(map(len, keyboard)) > 3 * _IN_ALL:
        raise bad_request("reply markup is too long")
    return {"keyboard": keyboard, "one_time_keyboard": markup.get("one_time_keyboard") is True}


_ACTIONS: Mapping[str, Callable[[object], object]] = {
    "url": _address,
    "callback_data": _callback_data,
    "web_app": _page,
    "login_url": _page,
    "copy_text": _copied,
}
