"""Files: what the bot sent, for the page and for ``getFile``."""

import hashlib
import struct
from base64 import b64decode, b64encode, urlsafe_b64encode
from dataclasses import dataclass

from veilbot_runners.sandbox.telegram.errors import JsonObject

_KEPT_BYTES = 64 * 1024 * 1024
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file; the same content has the same id."""

    file_id: str
    unique_id: str
    name: str
    mime: str
    content: bytes
    width: int = 0
    height: int = 0

    @property
    def path(self) -> str:
        """Where ``getFile`` says that it is."""
        folder = "photos" if self.width else "documents"
        return f"{folder}/{self.unique_id}.{_SUFFIXES.get(self.mime, 'bin')}"

    def as_file(self) -> JsonObject:
        """Return what all of Telegram's file objects share."""
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.content)}

    def as_photo(self) -> list[JsonObject]:
        """Return the Bot API's list of ``PhotoSize``."""
        return [{**self.as_file(), "width": self.width, "height": self.height}]

    def as_document(self) -> JsonObject:
        """Return the Bot API's ``Document``."""
        return {**self.as_file(), "file_name": self.name, "mime_type": self.mime}


class Files:
    """A bounded store; the oldest go first."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredFile] = {}
        self._by_path: dict[str, str] = {}
        self._bytes = 0

    def add(self, content: bytes, name: str) -> StoredFile:
        """Keep a file."""
        digest = urlsafe_b64encode(hashlib.sha256(content + name.encode()).digest()).decode().rstrip("=")
        known = self._by_id.get(f"AgAC{digest}")
        if known is not None:
            return known
        mime, width, height = measure(content)
        file = StoredFile(
            file_id=f"AgAC{digest}",
            unique_id=f"AQAD{digest[:12]}",
            name=name,
            mime=mime,
            content=content,
            width=width,
            height=height,
        )
        self._by_id[file.file_id] = file
        self._by_path[file.path] = file.file_id
        self._bytes += len(content)
        while self._bytes > _KEPT_BYTES and len(self._by_id) > 1:
            oldest = self._by_id.pop(next(iter(self._by_id)))
            self._by_path.pop(oldest.path, None)
            self._bytes -= len(oldest.content)
        return file

    def get(self, file_id: str) -> StoredFile | None:
        """Return a file by its id."""
        return self._by_id.get(file_id)

    def dump(self) -> list[JsonObject]:
        """Return all files, as JSON."""
        return [{"name": file.name, "content": b64encode(file.content).decode()} for file in self._by_id.values()]

    def load(self, kept: list[JsonObject]) -> None:
        """Take back what `dump` returned; the ids follow from the content."""
        for file in kept:
            self.add(b64decode(file["content"]), file["name"])

    def at(self, path: str) -> StoredFile | None:
        """Return a file by its path."""
        return self._by_id.get(self._by_path.get(path, ""))


def measure(content: bytes) -> tuple[str, int, int]:
    """Return a picture's type, width and height; zeroes for what is no picture."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack_from(">II", content, 16)
            return "image/png", width, height
        if content.startswith((b"GIF87a", b"GIF89a")):
            width, height = struct.unpack_from("<HH", content, 6)
            return "image/gif", width, height
        if content.startswith(b"\xff\xd8"):
            return "image/jpeg", *_jpeg(content)
    except struct.error:
        pass
    return "application/octet-stream", 0, 0


def _jpeg(content: bytes) -> tuple[int, int]:
    position = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", content, position)
        if mark != 0xFF:
            return 0, 0
        if kind in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return width, height
        position += 2 + length
