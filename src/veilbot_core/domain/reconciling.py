"""Comparing what a server has with what we want."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from veilbot_core.domain.ids import KeyId, ServerId
from veilbot_core.domain.key import Key, KeyState


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one pass over a server found."""

    server_id: ServerId
    wanted: int
    """Keys that we want there."""
    missing: tuple[KeyId, ...]
    """Wanted and not there, whether it was lost or never came."""
    surplus: tuple[KeyId, ...]
    """Ours, there, and not wanted."""
    differing: tuple[KeyId, ...]
    """There with another limit."""
    foreign: tuple[str, ...]
    """Not ours; never touched."""
    withheld: int
    """Of the surplus, removals left for the next pass."""

    @property
    def agreed(self) -> bool:
        """Whether the server has what we want."""
        return not (self.missing or self.surplus or self.differing)


def compare(
    server_id: ServerId, keys: Iterable[Key], limits: Mapping[str, int | None], *, began: datetime, removals: int
) -> Report:
    """Compare our keys of a server with the limits of what it has, by remote id.

    ``began``: when the server was asked; keys that changed since are left to their own jobs.
    ``removals``: how many keys this pass may remove.
    """
    missing, surplus, differing, known, wanted = [], [], [], set[str](), 0
    for key in keys:
        known.add(str(key.id))
        wanted += key.desired.present
        there = str(key.id) in limits
        if key.changed_at >= began:
            continue
        if key.desired.present and not there:
            missing.append(key.id)
        elif not key.desired.present and there:
            surplus.append(key.id)
        elif key.desired.present and there and limits[str(key.id)] != key.desired.limit:
            differing.append(key.id)
    return Report(
        server_id=server_id,
        wanted=wanted,
        missing=tuple(missing),
        surplus=tuple(surplus),
        differing=tuple(differing),
        foreign=tuple(sorted(set(limits) - known)),
        withheld=max(0, len(surplus) - removals),
    )


def observation(key: Key, limits: Mapping[str, int | None]) -> KeyState:
    """Return what the server has of a key."""
    there = str(key.id) in limits
    return KeyState(present=there, limit=limits.get(str(key.id)))
