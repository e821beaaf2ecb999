"""Updates that are broken at every depth, by name; all of them claim to be from Ann."""

import copy
import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from tests.runners.hostile.updates import ANN, BOT, CHAT, MESSAGE, QUERY

MEMBERSHIP = {
    "chat": CHAT,
    "from": ANN,
    "date": 1,
    "old_chat_member": {"status": "kicked", "user": BOT, "until_date": 0},
    "new_chat_member": {"status": "member", "user": BOT},
}
INVOICE = {"id": "1", "from": ANN, "currency": "XTR", "total_amount": 250, "invoice_payload": "order-1"}
WHOLE: dict[str, dict[str, Any]] = {
    "message": {"message": {**MESSAGE, "text": "hello", "entities": [{"type": "bold", "offset": 0, "length": 5}]}},
    "tap": {"callback_query": {**QUERY, "data": "m"}},
    "membership": {"my_chat_member": MEMBERSHIP},
    "invoice": {"pre_checkout_query": INVOICE},
}
WRONG: dict[str, Any] = {
    "null": None,
    "true": True,
    "minus one": -1,
    "huge": 10**40,
    "infinite": float("inf"),
    "not a number": float("nan"),
    "a fraction": 1.5,
    "text": "x",
    "a control": "\x00\x1b[2J",
    "half a character": "\ud800",
    "a list": [[]],
    "an object": {"id": {"id": []}},
}
_ACTIONS = "mtnbcepksqxyhilgo"
_REST = [
    *(
        "\x00",
        " ",
        "\n",
        "=",
        "я",
        "\U0001f600",
        "\ud800",
        "\u202e",
        "-1",
        "1e9",
        "{}",
        "null",
        "../..",
        "%s",
        "' OR 1=1 --",
    ),
    *("A" * 21, "A" * 22, "A" * 23, "A" * 44, "A" * 45, "A" * 63, "A" * 64, "!" * 22, "A" * 21 + "="),
]
_TEXTS = [
    "\x00",
    "\x07\x08\x1b[31m",
    "\r\n\r\n",
    "\u2028\u2029",
    "\ufffe\uffff",
    "\ud800\udc00",
    "\ud800",
    "\udfff/start",
]


def said(update: Any) -> bytes:
    """Write down an update whose number stands for itself until it is sent."""
    return json.dumps({"update_id": 0, **update}).encode()


def malformed() -> dict[str, bytes]:
    """Return them all; the update's number, 0, and Ann are replaced when they are sent."""
    return dict(chain(_wrong(), _missing(), _numbers(), _bytes(), _kinds(), _words()))


def taps() -> dict[str, bytes]:
    """Return taps whose data no button has, of every action and of none."""
    data = [action + rest for action in (*_ACTIONS, "z", "M", "\x00") for rest in _REST]
    return {f"tap {one!a}": said({"callback_query": {**QUERY, "data": one}}) for one in data}


def _paths(thing: Any) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to everything inside."""
    inner = thing.items() if isinstance(thing, dict) else enumerate(thing) if isinstance(thing, list) else ()
    for name, value in inner:
        yield (name,)
        yield from ((name, *way) for way in _paths(value))


def _at(thing: Any, way: tuple[str | int, ...]) -> tuple[Any, str | int]:
    """Return a copy's innermost container, and the place in it; the copy is what ``way`` begins with."""
    for name in way[:-1]:
        thing = thing[name]
    return thing, way[-1]


def _wrong() -> Iterator[tuple[str, bytes]]:
    for kind, update in WHOLE.items():
        for way in _paths(update):
            for name, value in WRONG.items():
                copied = copy.deepcopy(update)
                inner, last = _at(copied, way)
                inner[last] = value
                yield f"{kind}: {'.'.join(map(str, way))} is {name}", said(copied)


def _missing() -> Iterator[tuple[str, bytes]]:
    for kind, update in WHOLE.items():
        for way in _paths(update):
            copied = copy.deepcopy(update)
            inner, last = _at(copied, way)
            del inner[last]
            yield f"{kind} without {'.'.join(map(str, way))}", said(copied)


def _numbers() -> Iterator[tuple[str, bytes]]:
    """Yield the update's own number as none."""
    rest = said(WHOLE["message"]).removeprefix(b'{"update_id": 0')
    numbers = [*(b"-1", b"-0", b"00", b"1e3", b"1e999", b"NaN", b"-Infinity", b"0x1", b"1_0", b"null", b'"1"', b"[1]")]
    for number in [*numbers, b"9" * 40, b"9" * 5000, b"-" + b"9" * 5000, b"1." + b"0" * 5000]:
        yield f"number {number[:10]!r} of {len(number)}", b'{"update_id": ' + number + rest
    yield "no number", b"{" + rest.removeprefix(b", ")
    yield "two numbers", b'{"update_id": "x", "update_id": 0' + rest
    yield "a second number that is none", b'{"update_id": 0, "update_id": {}' + rest


def _bytes() -> Iterator[tuple[str, bytes]]:
    """Yield what is no JSON, or not in UTF-8."""
    whole = said(WHOLE["message"])
    yield from ((f"cut at {place}", whole[:place]) for place in range(0, len(whole), 9))
    for name, raw in {
        "latin-1": b"\xe9",
        "overlong": b"\xc0\xaf",
        "a surrogate": b"\xed\xa0\x80",
        "beyond Unicode": b"\xf7\xbf\xbf\xbf",
        "half a sign": b"\xf0\x9f\x98",
        "a raw NUL": b"\x00",
        "a raw escape": b"\x1b[2J",
    }.items():
        yield f"{name} in the text", whole.replace(b"hello", raw)
        yield f"{name} in a name", whole.replace(b"first_name", raw, 1)
    text = whole.decode()
    yield from ((f"in {code}", text.encode(code)) for code in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"))
    yield "a bad escape", whole.replace(b"hello", b"\\u12")
    yield "single quotes", whole.replace(b'"', b"'")
    yield "a comma too many", whole.replace(b"}", b",}")
    yield "a comment", b"/* x */" + whole
    yield "two updates", whole + whole
    yield "lines", whole + b"\n" + whole
    yield "the sender twice", whole.replace(b'"from": {', b'"from": {"id": 7}, "from": {', 1)
    yield "the chat twice", whole.replace(b'"chat": {', b'"chat": {"id": 7, "type": "private"}, "chat": {', 1)
    for depth in (50, 900, 20_000):
        yield f"lists {depth} deep", whole.replace(b'"hello"', b"[" * depth + b"]" * depth)
        yield f"objects {depth} deep", whole.replace(b'"hello"', b'{"a":' * depth + b"1" + b"}" * depth)
    yield "a number of 5000 digits", whole.replace(b'"hello"', b"9" * 5000)
    yield "a million and more", whole.replace(b"hello", b"a" * (1 << 20))
    yield "just under a million", whole.replace(b"hello", b"a" * ((1 << 20) - 1000))
    yield "a million nothings", b" " * (1 << 20) + whole
    yield "100,000 keys", whole.replace(b'"text"', b",".join(b'"k%d": 0' % n for n in range(60_000)) + b', "text"')


def _kinds() -> Iterator[tuple[str, bytes]]:
    """Yield what the bot does not know."""
    kinds = ("edited_message", "channel_post", "inline_query", "shipping_query", "poll", "poll_answer", "chat_boost")
    for kind in (*kinds, "business_connection", "purchased_paid_media", "no_such_kind", "", "\x00", "__class__"):
        yield f"a {kind!a} of a message", said({kind: MESSAGE})
        yield f"a {kind!a} of nothing", said({kind: None})
    yield "a list for an update", b"[" + said(WHOLE["message"]) + b"]"
    yield "nothing but a number", said({})


def _words() -> Iterator[tuple[str, bytes]]:
    yield from ((f"the text {text!a}", said({"message": {**MESSAGE, "text": text}})) for text in _TEXTS)
    for text in _TEXTS:
        yield f"the name {text!a}", said({"message": {**MESSAGE, "from": {**ANN, "first_name": text}}})
    for number in (0, -1, -501, -(10**13), 2**31, 2**52, 2**63, 2**64):
        yield f"the chat {number}", said({"message": {**MESSAGE, "chat": {**CHAT, "id": number}}})
        yield f"the sender {number}", said({"message": {**MESSAGE, "from": {**ANN, "id": number}}})
