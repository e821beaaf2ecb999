"""What an Outline server remembers, and the checks of Shadowbox 1.12 on what it is given."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

CIPHERS = frozenset({"chacha20-ietf-poly1305", "aes-128-gcm", "aes-192-gcm", "aes-256-gcm"})


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message}


@dataclass(slots=True, kw_only=True)
class OutlineKey:
    """An access key as the server keeps it."""

    id: str
    name: str
    password: str
    port: int
    method: str
    host: str
    """The host of the time it was made; a later change of the server's hostname does not reach it."""
    limit: int | None

    @property
    def access_url(self) -> str:
        """What a customer's app opens."""
        user = urlsafe_b64encode(f"{self.method}:{self.password}".encode()).decode().rstrip("=")
        return f"ss://{user}@{self.host}:{self.port}/?outline=1"

    def shown(self) -> dict[str, object]:
        """Return it as the API shows it."""
        shown: dict[str, object] = {
            "id": self.id,
            "name": self.name,
            "password": self.password,
            "port": self.port,
            "method": self.method,
            "accessUrl": self.access_url,
        }
        if self.limit is not None:
            shown["dataLimit"] = {"bytes": self.limit}
        return shown


@dataclass(slots=True, kw_only=True)
class OutlineState:
    """Everything one server remembers."""

    name: str
    server_id: str
    password: Callable[[], str]
    """Makes the password of a new key."""
    api_port: int = 0
    port: int = 40000
    hostname: str = "127.0.0.1"
    limit: int | None = None
    metrics: bool = False
    created_ms: int = 0
    keys: dict[str, OutlineKey] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    """Bytes by key id; a deleted key stays listed."""
    counter: int = 0

    def key(self, key_id: str) -> OutlineKey:
        """Return a key or refuse."""
        if key_id not in self.keys:
            raise ApiError(404, "NotFound", f'Access key "{key_id}" not found')
        return self.keys[key_id]

    def add(self, key_id: str, given: Mapping[str, Any]) -> OutlineKey:
        """Make a key, or refuse."""
        if key_id in self.keys:
            raise ApiError(409, "Conflict", f'Access key "{key_id}" conflict')
        method = typed(given, "method", str, "chacha20-ietf-poly1305")
        if method not in CIPHERS:
            raise invalid(f"cipher {method} is not supported")
        password = typed(given, "password", str, "")
        if password and any(key.password == password for key in self.keys.values()):
            raise ApiError(409, "Conflict", "the password is in use")
        key = OutlineKey(
            id=key_id,
            name=typed(given, "name", str, ""),
            password=password or self.password(),
            port=self.checked_port(typed(given, "port", int, self.port)),
            method=method,
            host=self.hostname,
            limit=wanted_limit(given),
        )
        self.keys[key_id] = key
        return key

    def checked_port(self, port: int) -> int:
        """Refuse a port that cannot be had."""
        if not 1 <= port <= 65535:
            raise invalid(f"Port {port} is not valid")
        if port == self.api_port:
            raise ApiError(409, "Conflict", f"Port {port} is unavailable")
        return port


def invalid(message: str) -> ApiError:
    """Make the refusal of a value."""
    return ApiError(400, "InvalidArgument", message)


def missing(name: str) -> ApiError:
    """Make the refusal of a body without ``name``."""
    return ApiError(400, "MissingParameter", f"Parameter `{name}` is missing")


def typed(given: Mapping[str, Any], name: str, kind: type, default: object) -> Any:  # noqa: ANN401 (it is JSON)
    """Read one value from a body; without a default it must be there."""
    value = given.get(name)
    if not value:
        if default is None:
            raise missing(name)
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise invalid(f"Parameter `{name}` must be of type {kind.__name__}")
    return value


def wanted_limit(given: Mapping[str, Any]) -> int | None:
    """Read a limit; a body without ``limit`` means none, whatever else it says (so ``{"bytes": 1}`` clears it)."""
    if "limit" not in given:
        return None
    limit = given["limit"]
    if limit is None:
        raise ApiError(500, "InternalServer", "caused by TypeError: Cannot read properties of null")
    wanted = limit.get("bytes") if isinstance(limit, dict) else None
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
        raise invalid("`limit.bytes` must be an non-negative integer")
    return wanted
