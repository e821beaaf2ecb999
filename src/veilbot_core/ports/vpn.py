"""VPN: what a server can be asked to do."""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.server import Server
from veilbot_core.ports.secrets import Secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How to reach one server, with its secrets; never logged."""

    server_id: ServerId
    settings: Mapping[str, str]

    @classmethod
    def of(cls, server: Server, secrets: Secrets) -> "Endpoint":
        """Open the sealed endpoint of a server. Raises Rejected when the key to it is not known here."""
        return cls(server_id=server.id, settings=json.loads(secrets.open(server.endpoint, server.id)))

    def __repr__(self) -> str:
        """Show which server, not how to get in."""
        return f"Endpoint({self.server_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySpec:
    """The key as it should be on the server."""

    id: KeyId
    name: str
    limit: int | None
    """Bytes of traffic, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteKey:
    """A key as the server has it."""

    id: str
    """Its name on the server; of the keys we made, the KeyId as text."""
    limit: int | None
    limited: bool = True
    """Whether the server keeps limits at all; if not, ``limit`` says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """Instead of a list: the server cannot say which keys it has, only since when it runs, and it began with none."""

    uptime: float
    """Seconds, rounded down."""


class Metering(StrEnum):
    """How a server counts traffic."""

    COUNTER = "counter"
    """Since its start; a fall means a restart."""
    WINDOW = "window"
    """An estimate over a sliding window that also falls by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Traffic readings; a key that is missing was not measured, and has lost its counter if it had one."""

    metering: Metering
    bytes_by_key: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """What a healthy server says about itself."""

    name: str
    version: str
    uptime: float | None = None
    """Seconds since it began without keys, of a server that loses them when it restarts."""


@runtime_checkable
class VpnProtocol(Protocol):
    """One protocol's servers; every call is idempotent by key id.

    Raises (all methods):
        Unavailable: the server did not do it.
        Rejected: the server refuses, or is not the one that was pinned.
        Unknown: it may have done it.
    """

    @abstractmethod
    def settings(self, given: Mapping[str, str]) -> Mapping[str, str]:
        """Check what an operator gave to reach a server; return what to keep.

        Raises:
            InvalidInput: naming the field.
        """

    @abstractmethod
    async def issue(self, endpoint: Endpoint, key: KeySpec) -> str:
        """Make the key be there as specified; return its access URL (a secret)."""

    @abstractmethod
    async def restore(self, endpoint: Endpoint, keys: Sequence[KeySpec]) -> Mapping[KeyId, str]:
        """Make many keys that were lost be there again; return the access URLs of those that are.

        The others are not known to be there; if there is none at all, it raises why.
        """

    @abstractmethod
    async def revoke(self, endpoint: Endpoint, key_id: KeyId) -> None:
        """Make the key be gone. Open connections may live on for minutes."""

    @abstractmethod
    async def list(self, endpoint: Endpoint) -> Mapping[str, RemoteKey] | Unlisted:
        """Return all keys on the server by their remote id, ours and others."""

    @abstractmethod
    async def usage(self, endpoint: Endpoint) -> Usage:
        """Return traffic by remote id."""

    @abstractmethod
    async def probe(self, endpoint: Endpoint) -> ServerInfo:
        """Ask for a sign of life, quickly."""
