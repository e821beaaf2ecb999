"""Updates that Telegram would never send, and some that it would and that mean nothing here."""

import copy
import json
from collections.abc import Iterator
from typing import Any

ANN = {"id": 501, "is_bot": False, "first_name": "Ann", "language_code": "en"}
CHAT = {"id": 501, "type": "private", "first_name": "Ann"}
OTHER = {"id": 502, "type": "private", "first_name": "Bob"}
BOT = {"id": 12345, "is_bot": True, "first_name": "Shop"}
GROUP = {"id": -1001, "type": "supergroup", "title": "G"}
CHANNEL = {"id": -1002, "type": "channel", "title": "C"}
MESSAGE = {"message_id": 7, "date": 1, "chat": CHAT, "from": ANN, "text": "/start"}
QUERY = {"id": "1", "from": ANN, "chat_instance": "1", "data": "k", "message": {**MESSAGE, "from": BOT, "text": "x"}}
ANYTHING: list[Any] = [None, True, -1, 0, 2**63, 10**40, 1.5, "", "x", "\x00", [], [[]], {}, {"id": {}}]
DEEP: dict[str, Any] = {"text": "bottom"}
for _ in range(60):
    DEEP = {"message_id": 1, "date": 1, "chat": CHAT, "reply_to_message": DEEP}


def changed(thing: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with one field changed; dots lead inwards."""
    copied = copy.deepcopy(thing)
    *way, last = path.split(".")
    inner = copied
    for name in way:
        inner = inner[name]
    inner[last] = value
    return copied


def _messages() -> Iterator[dict[str, Any]]:
    for path in ("message_id", "date", "chat", "chat.id", "chat.type", "from", "from.id", "from.first_name", "text"):
        yield from ({"message": changed(MESSAGE, path, value)} for value in ANYTHING)
    texts = [
        "я" * 65_536,
        "/start" * 11_000,
        "\u202e\u2066evil",
        "\x00\x01\x1b[2J",
        "/" * 5000,
        "<b>" * 500,
        "\U0010ffff",
    ]
    yield from ({"message": {**MESSAGE, "text": text}} for text in texts)
    names = [
        "\x00",
        "\u202eevil",
        "<script>alert(1)</script>",
        "x" * 10_000,
        " ",
        "{name}",
        "%s%n",
        "{ $link }",
        "&amp;",
    ]
    yield from ({"message": changed(MESSAGE, "from.first_name", name)} for name in names)
    yield {"message": {**MESSAGE, "reply_to_message": DEEP}}
    yield {"message": {**MESSAGE, "chat": GROUP}}
    yield {"message": {**MESSAGE, "from": BOT}}
    yield {"message": {**MESSAGE, "sender_chat": CHANNEL, "chat": CHANNEL}}
    yield {"message": {**MESSAGE, "forward_origin": {"type": "user", "date": 1, "sender_user": BOT}}}
    yield {"message": {**MESSAGE, "via_bot": BOT, "entities": [{"type": "url", "offset": -1, "length": 10**9}]}}
    yield {"message": {**MESSAGE, "successful_payment": {"currency": "XTR", "total_amount": 1, "invoice_payload": "x"}}}


def _taps() -> Iterator[dict[str, Any]]:
    for path in ("id", "from", "from.id", "data", "message", "message.chat", "message.chat.id", "message.message_id"):
        yield from ({"callback_query": changed(QUERY, path, value)} for value in ANYTHING)
    yield {"callback_query": changed(QUERY, "message.chat", OTHER)}
    yield {"callback_query": changed(QUERY, "message.chat", GROUP)}
    yield {"callback_query": {**QUERY, "message": None, "inline_message_id": "x", "game_short_name": "g"}}
    yield {"callback_query": changed(QUERY, "data", "y" * 65_536)}


def _somebody(number: int) -> Iterator[dict[str, Any]]:
    """Yield what somebody with this id writes and taps in their own chat."""
    yield {"message": changed(changed(MESSAGE, "chat.id", number), "from.id", number)}
    yield {"callback_query": changed(changed(QUERY, "message.chat.id", number), "from.id", number)}
    chat, person = {**CHAT, "id": number}, {**ANN, "id": number}
    status = {"status": "member", "user": BOT}
    change = {"chat": chat, "from": person, "date": 1, "old_chat_member": status, "new_chat_member": status}
    yield {"my_chat_member": change}


def _others() -> Iterator[dict[str, Any]]:
    for kind in ("edited_message", "channel_post", "edited_channel_post", "business_message"):
        yield {kind: MESSAGE}
    yield {"message": MESSAGE, "callback_query": QUERY}
    yield {"my_chat_member": {"chat": OTHER, "from": ANN, "date": 1}}
    yield {"pre_checkout_query": {"id": "1", "from": ANN, "currency": "XTR", "total_amount": 1, "invoice_payload": "x"}}
    yield {"inline_query": {"id": "1", "from": ANN, "query": "x", "offset": ""}}
    yield {"no_such_kind": MESSAGE}
    for number in (-1, 0, 1, 2**52, 2**63 - 1, 2**63, 2**64, 10**40, -(2**63) - 1):
        yield from _somebody(number)
    yield {}


def spoken_by(person: int, body: bytes) -> bytes:
    """Return a body with another customer in Ann's place, in whatever encoding it is."""
    for code in ("ascii", "utf-16-le", "utf-32-le"):
        body = body.replace(str(ANN["id"]).encode(code), str(person).encode(code))
    return body


def forged() -> list[bytes]:
    """Return them all as bodies, each with an id of its own."""
    made = [*_messages(), *_taps(), *_others()]
    return [json.dumps({"update_id": number, **update}).encode() for number, update in enumerate(made, start=1)]


def broken() -> list[bytes]:
    """Return bodies that are no updates at all."""
    whole = json.dumps({"update_id": 10**6, "message": MESSAGE}).encode()
    values: list[Any] = [None, "1", 1.5, True, [], {}]
    ids = [json.dumps({"update_id": value, "message": MESSAGE}).encode() for value in values]
    texts = [b"", b" ", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", whole[:-1], whole + b"x", b"NaN", b"\x00"]
    return [*texts, *ids, b"[" * 200_000, b'{"a":' * 100_000]
