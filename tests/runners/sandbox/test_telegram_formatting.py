"""Formatted text: Telegram's HTML in, entities between, safe HTML out."""

import string
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilbot_runners.sandbox.telegram.entities import read_text, render
from veilbot_runners.sandbox.telegram.errors import ApiError
from veilbot_runners.sandbox.telegram.files import measure
from veilbot_runners.sandbox.telegram.html import parse_html, utf16

PIECES = [
    "<b>",
    "</b>",
    "<i>",
    "</i>",
    "<a_href='https://x.example/?a=1&amp;b'>",
    "</a>",
    "<pre>",
    "</pre>",
    "</>",
    "&lt;",
    "<",
    "&",
    "😀",
    '"',
    "x",
    "<script>",
    "<code_class='language-py'>",
    "</code>",
    "<blockquote_expandable>",
    "</blockquote>",
    "<span_class='tg-spoiler'>",
    "</span>",
    "https://y.example/",
    "/start",
]
pieces = st.sampled_from([*(piece.replace("_", " ") for piece in PIECES), "\n", " "])


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.depth = 0
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.depth += 1
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser calls it so
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.lists(pieces, max_size=14).map("".join))
def test_what_is_accepted_renders_balanced_and_safe(source: str) -> None:
    try:
        text, entities = read_text(source, "HTML", None)
    except ApiError:
        return
    size = utf16(text)
    assert all(0 <= e["offset"] < e["offset"] + e["length"] <= size for e in entities)
    seen = Seen()
    seen.feed(render(text, entities))
    seen.close()
    assert seen.depth == 0
    assert seen.text == text
    assert "script" not in seen.tags


@given(st.text(alphabet=string.printable + "ё😀", max_size=60))
def test_plain_text_stays_what_it_is(source: str) -> None:
    text, entities = read_text(source, "", None)
    assert text == source.strip()
    seen = Seen()
    seen.feed(render(text, entities))
    seen.close()
    assert (
        unescape(seen.text).replace("\r", "\n") == text.replace("\r\n", "\n").replace("\r", "\n") or seen.text == text
    )


@given(
    st.lists(
        st.builds(
            lambda kind, offset, length: {"type": kind, "offset": offset, "length": length, "url": "javascript:x"},
            st.sampled_from(["bold", "italic", "text_link", "spoiler", "nonsense"]),
            st.integers(0, 30),
            st.integers(0, 30),
        ),
        max_size=6,
    )
)
def test_entities_that_cross_or_reach_too_far_do_no_harm(entities: list[dict[str, object]]) -> None:
    text, kept = read_text("a 😀 b <c> & d", "", entities)
    html = render(text, kept)
    assert "javascript" not in html
    seen = Seen()
    seen.feed(html)
    assert seen.depth == 0


def test_code_keeps_its_language_and_links_their_address() -> None:
    text, entities = parse_html(
        '<pre><code class="language-sh">ls</code></pre> <a href="a.example">x</a><a href="?">y</a>'
    )
    assert text == "ls xy"
    assert entities == [
        {"type": "pre", "offset": 0, "length": 2, "language": "sh"},
        {"type": "text_link", "offset": 3, "length": 1, "url": "http://a.example"},
    ]
    assert parse_html("<a>https://b.example/</a>")[1][0]["url"] == "https://b.example/"


def test_other_modes_and_broken_entities_are_refused() -> None:
    with pytest.raises(ApiError, match="HTML only"):
        read_text("*x*", "MarkdownV2", None)
    for wrong in ("x", [1], [{"type": "bold", "offset": -1, "length": 1}]):
        with pytest.raises(ApiError):
            read_text("x", "", wrong)


def test_pictures_are_measured() -> None:
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08\x00\x10\x00\x20"
    assert measure(jpeg) == ("image/jpeg", 32, 16)
    assert measure(b"GIF89a\x05\x00\x06\x00") == ("image/gif", 5, 6)
    for broken in (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\x00\x00\x00\x00"):
        assert measure(broken)[1:] == (0, 0)
