"""QR codes: a text as a picture, drawn by zxing-cpp in C++ (0.04 ms; pure Python needs 4 ms).

Error correction is the lowest level: a screen is read, not a torn label, and fewer modules are read faster. The mask is
always the same: readers take any, it stands in the code. To compare all eight (ISO/IEC 18004, 7.8.3) takes 0.1 ms and
keeps data apart that repeats itself, which keys and tokens do not.
"""

import struct
import zlib
from math import isqrt
from typing import cast

from zxingcpp import BarcodeFormat, create_barcode

_MODULE = 8  # pixels, so that a module of a row is exactly one byte of a picture of one bit per pixel
_MASK = 0
_ROUGH = (1, zlib.DEFLATED, 15, 5)  # level and memory: the default takes 0.15 ms more, most of it to get its 270 KB
_PIXELS = bytes(0 if level < 128 else 255 for level in range(256))
_HEAD = b"\x89PNG\r\n\x1a\n"


def png(text: str) -> bytes:
    """Return a black and white PNG of ``text``, with its quiet zone."""
    side, modules = _modules(text)
    bits = modules.translate(_PIXELS)
    rows = (b"\0" + bits[start : start + side] for start in range(0, side * side, side))
    size = struct.pack(">IIBBBBB", side * _MODULE, side * _MODULE, 1, 0, 0, 0, 0)
    deflate = zlib.compressobj(*_ROUGH)
    pixels = deflate.compress(b"".join(row * _MODULE for row in rows)) + deflate.flush()
    return _HEAD + _chunk(b"IHDR", size) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def svg(text: str) -> str:
    """Return an ``<svg>`` element of ``text`` that fits wherever it is put, with its quiet zone."""
    side, modules = _modules(text)
    runs = []
    for y in range(side):
        row = modules[y * side : (y + 1) * side]
        x = row.find(0)
        while x >= 0:
            end = row.find(255, x)
            runs.append(f"M{x} {y}h{end - x}v1h{x - end}z")
            x = row.find(0, end)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{"".join(runs)}"/></svg>'
    )


def _modules(text: str) -> tuple[int, bytes]:
    """Return the length of a side in modules, and the modules row by row: 0 is black, 255 is white."""
    image = create_barcode(text, BarcodeFormat.QRCode, ec_level="L", dataMask=_MASK).to_image(scale=1)
    levels = bytes(cast("memoryview", image))  # it has the buffer protocol; its stubs do not say so
    return isqrt(len(levels)), levels


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
