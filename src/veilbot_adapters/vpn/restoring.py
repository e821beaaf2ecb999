"""Bringing many keys back, side by side and bounded."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from veilbot_core.domain.errors import PortError
from veilbot_core.domain.ids import KeyId
from veilbot_core.ports.vpn import KeySpec


async def side_by_side(
    keys: Sequence[KeySpec], issue: Callable[[KeySpec], Awaitable[str]], *, lanes: int
) -> Mapping[KeyId, str]:
    """Issue keys, ``lanes`` at a time; the first failure ends it, and is raised if no key is there."""
    waiting = iter(keys)
    urls: dict[KeyId, str] = {}
    failures: list[PortError] = []

    async def lane() -> None:
        for key in waiting:
            if failures:
                return
            try:
                urls[key.id] = await issue(key)
            except PortError as error:
                failures.append(error)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(lanes, len(keys))):
            group.create_task(lane())
    if failures and not urls:
        raise failures[0]
    return urls
