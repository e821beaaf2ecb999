"""Formatted text: what a call brought, and how the page shows it."""

import re
from collections.abc import Sequence
from html import escape

from veilbot_runners.sandbox.telegram.errors import JsonObject, bad_request
from veilbot_runners.sandbox.telegram.html import parse_html, utf16
from veilbot_runners.sandbox.telegram.params import Params, as_list, as_object, number

_URL = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?()\[\]]")
_COMMAND = re.compile(r"(?<!\S)/[A-Za-z0-9_]{1,64}(?![\w/])")
_LONGEST_SOURCE = 65536
_SAFE = re.compile(r"(?:https?|tg|mailto):", re.IGNORECASE)
_TYPES = {
    "bold": ("<b>", "</b>"),
    "italic": ("<i>", "</i>"),
    "underline": ("<u>", "</u>"),
    "strikethrough": ("<s>", "</s>"),
    "spoiler": ('<span class="spoiler" tabindex="0" role="button">', "</span>"),
    "code": ('<code tabindex="0" role="button">', "</code>"),
    "pre": ("<pre>", "</pre>"),
    "blockquote": ("<blockquote>", "</blockquote>"),
    "expandable_blockquote": ("<blockquote>", "</blockquote>"),
}


def formatted(
    params: Params, text_name: str, entities_name: str, parse_mode: str = "parse_mode"
) -> tuple[str, list[JsonObject]]:
    """Read a text with its formatting from a call.

    Raises:
        ApiError: the formatting is broken.
    """
    return read_text(params.text(text_name), params.text(parse_mode), params.json(entities_name))


def read_text(source: str, parse_mode: str, given: object) -> tuple[str, list[JsonObject]]:
    """Return a text and its entities, trimmed as Telegram does; addresses and commands become entities too."""
    if len(source) > _LONGEST_SOURCE:
        raise bad_request("message is too long")
    entities: list[JsonObject] = []
    text = source
    mode = parse_mode.lower()
    if mode == "html":
        text, entities = parse_html(source)
    elif mode:
        raise bad_request("unsupported parse_mode (the sandbox understands HTML only)")
    elif given is not None:
        entities = [_given(entity) for entity in as_list(given, "can't parse entities: expected an Array")]
    return trim(text, entities + detect(text, entities))


def detect(text: str, known: Sequence[JsonObject] = ()) -> list[JsonObject]:
    """Find addresses and commands that nobody marked."""
    found = []
    if "://" in text:
        found += [("url", match) for match in _URL.finditer(text)]
    if "/" in text:
        found += [("bot_command", match) for match in _COMMAND.finditer(text)]
    entities = []
    for kind, match in found:
        offset, length = utf16(text[: match.start()]), utf16(match[0])
        if all(_apart(entity, offset, length) for entity in known):
            entities.append({"type": kind, "offset": offset, "length": length})
    return entities


def trim(text: str, entities: list[JsonObject]) -> tuple[str, list[JsonObject]]:
    """Cut white space around a text, and what entities had there."""
    cut = text.strip()
    if len(cut) == len(text) or not entities:
        return cut, entities
    lead = utf16(text[: len(text) - len(text.lstrip())])
    total = utf16(cut)
    kept = []
    for entity in entities:
        start = max(entity["offset"] - lead, 0)
        end = min(entity["offset"] + entity["length"] - lead, total)
        if end > start:
            kept.append({**entity, "offset": start, "length": end - start})
    return cut, kept


def render(text: str, entities: Sequence[JsonObject]) -> str:
    """Return HTML that is safe to put into a page."""
    if not entities:
        return escape(text)
    raw = text.encode("utf-16-le", "surrogatepass")
    out: list[str] = []
    ends: list[tuple[int, str]] = []
    position = 0

    def write_to(stop: int) -> None:
        nonlocal position
        if stop > position:
            out.append(escape(raw[2 * position : 2 * stop].decode("utf-16-le", "replace")))
            position = stop

    for entity in sorted(entities, key=lambda e: (e["offset"], -e["length"])):
        start = entity["offset"]
        while ends and ends[-1][0] <= start:
            write_to(ends[-1][0])
            out.append(ends.pop()[1])
        end = min(start + entity["length"], ends[-1][0] if ends else len(raw) // 2)
        write_to(start)
        marked = raw[2 * start : 2 * end].decode("utf-16-le", "replace")
        before, after = _marks(entity, marked)
        out.append(before)
        ends.append((end, after))
    while ends:
        write_to(ends[-1][0])
        out.append(ends.pop()[1])
    write_to(len(raw) // 2)
    return "".join(out)


def _marks(entity: JsonObject, marked: str) -> tuple[str, str]:
    kind = entity["type"]
    if kind in {"text_link", "url"}:
        url = entity.get("url") or marked
        if _SAFE.match(url):
            return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">', "</a>"
    elif kind == "bot_command":
        return f'<a href="#" data-command="{escape(marked)}">', "</a>"
    return _TYPES.get(kind, ("", ""))


def _apart(entity: JsonObject, offset: int, length: int) -> bool:
    if entity["type"] not in {"text_link", "code", "pre", "url"}:
        return True
    return bool(entity["offset"] + entity["length"] <= offset or offset + length <= entity["offset"])


def _given(value: object) -> JsonObject:
    entity = as_object(value, "can't parse MessageEntity: expected an Object")
    offset, length = number(entity.get("offset"), -1), number(entity.get("length"), -1)
    if offset < 0 or length < 0 or not isinstance(entity.get("type"), str):
        raise bad_request("can't parse MessageEntity: receive an entity with incorrect offset, length or type")
    texts = {key: entity[key] for key in ("url", "language", "custom_emoji_id") if isinstance(entity.get(key), str)}
    return {"type": entity["type"], "offset": offset, "length": length, **texts}
