"""Reading QR codes back, with the reader of zxing-cpp and a PNG reader of our own."""

import struct
import zlib

import zxingcpp


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Return width, height and one byte per pixel of a PNG with one bit per pixel and no filters."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, place = {}, 8
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        (crc,) = struct.unpack(">I", png[place + 8 + size : place + 12 + size])
        assert crc == zlib.crc32(kind + data)
        chunks[kind] = data
        place += 12 + size
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [1, 0, 0, 0, 0]
    raw, stride = zlib.decompress(chunks[b"IDAT"]), width // 8 + 1
    assert len(raw) == height * stride
    rows = (raw[y * stride + 1 : (y + 1) * stride] for y in range(height))
    return (
        width,
        height,
        b"".join(b"\xff" if byte >> bit & 1 else b"\0" for row in rows for byte in row for bit in range(7, -1, -1)),
    )


def decode(png: bytes) -> str:
    """Return what a QR code says."""
    width, height, levels = pixels(png)
    (found,) = zxingcpp.read_barcodes(memoryview(levels).cast("B", (height, width)))
    return str(found.text)
