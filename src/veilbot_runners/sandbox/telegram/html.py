"""Reading Telegram's HTML (https://core.telegram.org/bots/api#html-style).

Follows ``do_parse_html`` of TDLib (``MessageEntity.cpp``), with its error texts; the offsets in them count bytes of
UTF-8, those of entities count UTF-16 units.
"""

import re
from html import unescape

from veilbot_runners.sandbox.telegram.errors import ApiError, JsonObject, bad_request

_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_SPECIAL = re.compile("[<&]")
_REFERENCE = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9a-fA-F]{1,6});")
_TAG_NAME = re.compile(r"[^\s>]*")
_ATTRIBUTE = re.compile(r"""\s*([^\s=>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9.\-]+)))?""")
_LINK = re.compile(r"(?:https?|tg|mailto|ton|tonsite):\S+", re.IGNORECASE)
_BARE_LINK = re.compile(r"[^\s/@:]+\.[^\s/@:]{2,}(?:[/?#]\S*)?")


def utf16(text: str) -> int:
    """Count the units in which Telegram measures text."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse_html(source: str) -> tuple[str, list[JsonObject]]:
    """Return the plain text and its entities.

    Raises:
        ApiError: "can't parse entities", for an unknown, unbalanced or unfinished tag.
    """
    if _SPECIAL.search(source) is None:
        return source, []
    return _Reader(source).read()


class _Open:
    """A tag that waits for its end."""

    __slots__ = ("attributes", "name", "part", "start")

    def __init__(self, name: str, start: int, part: int, attributes: dict[str, str]) -> None:
        self.name = name
        self.start = start
        self.part = part
        self.attributes = attributes


class _Reader:
    """One pass over a text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.length = 0
        self.parts: list[str] = []
        self.open: list[_Open] = []
        self.entities: list[JsonObject] = []

    def read(self) -> tuple[str, list[JsonObject]]:
        source = self.source
        while (special := _SPECIAL.search(source, self.position)) is not None:
            self._emit(source[self.position : special.start()])
            self.position = special.start()
            if special[0] == "&":
                self._reference()
            elif source.startswith("</", self.position):
                self._end_tag()
            else:
                self._start_tag()
        self._emit(source[self.position :])
        if self.open:
            raise _broken(f'Can\'t find end tag corresponding to start tag "{self.open[-1].name}"')
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
        for entity in self.entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        return "".join(self.parts), self.entities

    def _emit(self, text: str) -> None:
        self.parts.append(text)
        self.length += utf16(text)

    def _reference(self) -> None:
        reference = _REFERENCE.match(self.source, self.position)
        written = reference[0] if reference else "&"
        self._emit(unescape(written) if reference else "&")
        self.position += len(written)

    def _start_tag(self) -> None:
        begin = self.position
        end = _TAG_NAME.match(self.source, begin + 1)
        name = end[0].lower() if end else ""
        position = begin + 1 + len(name)
        if position >= len(self.source):
            raise self._error("Unclosed start tag", begin)
        if name not in _TAGS:
            raise self._error(f'Unsupported start tag "{name}"', begin)
        attributes: dict[str, str] = {}
        while (found := _ATTRIBUTE.match(self.source, position)) is not None:
            attributes[found[1].lower()] = unescape(found[2] or found[3] or found[4] or "")
            position = found.end()
        rest = self.source[position:].lstrip()
        if not rest:
            raise self._error("Unclosed start tag", begin)
        if not rest.startswith(">"):
            raise self._error(f'Empty attribute name in the tag "{name}"', begin)
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise self._error('Tag "span" must have class "tg-spoiler"', begin)
        self.position = len(self.source) - len(rest) + 1
        self.open.append(_Open(name, self.length, len(self.parts), attributes))

    def _end_tag(self) -> None:
        begin = self.position
        end = self.source.find(">", begin)
        if not self.open:
            raise self._error("Unexpected end tag", begin)
        if end < 0:
            raise self._error("Unclosed end tag", begin)
        name = self.source[begin + 2 : end].strip().lower()
        tag = self.open.pop()
        if name and name != tag.name:
            raise self._error("Unmatched end tag", begin, f', expected "</{tag.name}>", found "</{name}>"')
        self.position = end + 1
        if self.length > tag.start:
            self._close(tag)

    def _close(self, tag: _Open) -> None:
        entity: JsonObject = {"type": _TAGS[tag.name], "offset": tag.start, "length": self.length - tag.start}
        if tag.name == "a":
            url = _link(tag.attributes.get("href") or "".join(self.parts[tag.part :]))
            if url is None:
                return
            entity["url"] = url
        elif tag.name == "code" and tag.attributes.get("class", "").startswith("language-"):
            entity["language"] = tag.attributes["class"].removeprefix("language-")
        elif tag.name == "pre":
            inner = self.entities[-1] if self.entities else {}
            same = inner.get("type") == "code" and inner["offset"] == tag.start and inner["length"] == entity["length"]
            if same and "language" in inner:
                entity["language"] = self.entities.pop()["language"]
        elif tag.name == "blockquote" and "expandable" in tag.attributes:
            entity["type"] = "expandable_blockquote"
        elif tag.name == "tg-emoji":
            entity["custom_emoji_id"] = tag.attributes.get("emoji-id", "")
        self.entities.append(entity)

    def _error(self, text: str, position: int, more: str = "") -> ApiError:
        return _broken(f"{text} at byte offset {len(self.source[:position].encode())}{more}")


def _broken(text: str) -> ApiError:
    return bad_request(f"can't parse entities: {text}")


def _link(url: str) -> str | None:
    url = url.strip()
    if _LINK.fullmatch(url):
        return url
    return f"http://{url}" if _BARE_LINK.fullmatch(url) else None
