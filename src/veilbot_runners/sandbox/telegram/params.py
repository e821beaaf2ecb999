"""Parameters of one Bot API call, however the body was written.

A body is urlencoded, multipart (files under the name that ``attach://`` refers to) or JSON; nested values are JSON
strings. See https://core.telegram.org/bots/api#making-requests.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from veilbot_runners.sandbox.telegram.errors import ApiError, JsonObject, bad_request

_LARGEST = 2**63
_FIELDS = 1000
_NAME = re.compile(rb'\bname="([^"]*)"')
_FILENAME = re.compile(rb'\bfilename="([^"]*)"')
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that came with a call."""

    name: str
    content: bytes


class Params:
    """What a method was called with."""

    __slots__ = ("fields", "files")

    def __init__(self, fields: Mapping[str, str], files: Mapping[str, Upload] | None = None) -> None:
        self.fields = fields
        self.files = files or {}

    @classmethod
    def parse(cls, query: bytes, content_type: str, body: bytes) -> "Params":
        """Read the parameters of an HTTP request. Raises ApiError for a body that cannot be read."""
        fields = _urlencoded(query) if query else {}
        files: dict[str, Upload] = {}
        kind = content_type.partition(";")[0].strip().lower()
        if kind == "multipart/form-data":
            more, files = _multipart(body, content_type)
            fields.update(more)
        elif kind == "application/json":
            fields.update(_from_json(body))
        elif body:
            fields.update(_urlencoded(body))
        return cls(fields, files)

    def text(self, name: str) -> str:
        """Return a string, empty where there is none."""
        return self.fields.get(name, "")

    def integer(self, name: str, default: int = 0) -> int:
        """Return a number; what is none counts as the default."""
        value = self.fields.get(name)
        if value is None:
            return default
        return number(value, default)

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        return self.fields.get(name, "").lower() in {"true", "yes", "1"}

    def json(self, name: str) -> Any:  # noqa: ANN401 - JSON is what it is
        """Return a nested value, None where there is none. Raises ApiError for broken JSON."""
        value = self.fields.get(name)
        if not value:
            return None
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from error

    def upload(self, value: str, name: str) -> Upload | None:
        """Return the file that a value means: ``attach://key``, or the part called like the parameter itself."""
        if value.startswith("attach://"):
            return self.files.get(value.removeprefix("attach://"))
        return None if value else self.files.get(name)


def number(value: object, default: int = 0) -> int:
    """Read a 64-bit number from a string or number that came from outside."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return default
    try:
        read = int(value)
    except ValueError:
        return default
    return read if -_LARGEST <= read < _LARGEST else default


def _urlencoded(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError as error:
        raise ApiError(413, "Request Entity Too Large") from error
    return dict(pairs)


def _from_json(body: bytes) -> dict[str, str]:
    try:
        values = msgspec.json.decode(body) if body else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request("can't parse JSON object") from error
    if not isinstance(values, dict):
        raise bad_request("object expected")
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _multipart(body: bytes, content_type: str) -> tuple[dict[str, str], dict[str, Upload]]:
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise bad_request("boundary not found")
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())[1:]:
        head, gap, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if not gap or name is None:
            continue
        filename = _FILENAME.search(head)
        key = name[1].decode("utf-8", "replace")
        if filename is None:
            fields[key] = content.decode("utf-8", "replace")
        else:
            files[key] = Upload(name=filename[1].decode("utf-8", "replace"), content=content)
    return fields, files


def as_object(value: object, complaint: str) -> JsonObject:
    """Insist on a JSON object."""
    if not isinstance(value, dict):
        raise bad_request(complaint)
    return value


def as_list(value: object, complaint: str) -> list[Any]:
    """Insist on a JSON array."""
    if not isinstance(value, list):
        raise bad_request(complaint)
    return value
