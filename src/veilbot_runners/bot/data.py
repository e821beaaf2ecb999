"""Data: what buttons carry, at most 64 bytes: a letter for the screen, ids in base64url, and a choice.

Nothing in it is trusted: each service is told who asks.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from uuid import UUID

_ID = 22  # characters of 16 bytes


def pack(action: str, *ids: UUID, choice: str = "") -> str:
    """Return the data of a button."""
    return action + "".join(urlsafe_b64encode(one.bytes).rstrip(b"=").decode() for one in ids) + choice


def unpack(data: str, ids: int) -> tuple[tuple[UUID, ...], str] | None:
    """Return what a button carries behind its letter; None where it is not what `pack` wrote."""
    rest = data[1:]
    if len(rest) < _ID * ids:
        return None
    parts = [rest[place * _ID : (place + 1) * _ID] for place in range(ids)]
    try:
        found = tuple(UUID(bytes=urlsafe_b64decode(part + "==")) for part in parts)
    except (Error, ValueError):
        return None
    choice = rest[_ID * ids :]
    return (found, choice) if pack(data[0], *found, choice=choice) == data else None
