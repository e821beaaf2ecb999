"""A code that is drawn can be read."""

import re

import pytest
import zxingcpp
from tests.adapters.telegram.pictures import decode

from veilbot_adapters import qr

TEXTS = [
    "a",
    "ss://Y2hhY2hhMjAtaWV0Zi1wb2x5MTMwNTpzZWNyZXQ@203.0.113.15:12345/?outline=1#Amsterdam%201",
    "vless://8f1e3a5c-0000-4000-8000-000000000001@example.com:443?" + "security=reality&" * 20 + "#Frankfurt",
    "https://veil.example/s/ключ",
    "x" * 2900,
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_png_says_what_was_drawn(text: str) -> None:
    assert decode(qr.png(text)) == text


@pytest.mark.parametrize("text", TEXTS[:3])
def test_an_svg_says_what_was_drawn(text: str) -> None:
    picture = qr.svg(text)
    side = int(re.search(r'viewBox="0 0 (\d+) \1"', picture)[1])  # type: ignore[index]
    scale = 4
    rows = [bytearray(b"\xff" * side * scale) for _ in range(side * scale)]
    for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", picture):
        for line in range(int(y) * scale, int(y) * scale + scale):
            rows[line][int(x) * scale : (int(x) + int(run)) * scale] = b"\0" * (int(run) * scale)
    image = memoryview(b"".join(bytes(row) for row in rows)).cast("B", (side * scale, side * scale))
    assert [found.text for found in zxingcpp.read_barcodes(image)] == [text]


def test_a_picture_is_small() -> None:
    assert len(qr.png(TEXTS[1])) < 2000
