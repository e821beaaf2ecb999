"""Lanes: each customer's updates one after the other, different customers side by side, not too many at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Lane:
    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Lanes:
    """First come, first served within a lane; at most ``most`` lanes move at once."""

    def __init__(self, most: int = 64) -> None:
        self._places = asyncio.Semaphore(most)
        self._lanes: dict[int, _Lane] = {}

    def __len__(self) -> int:
        """Count the lanes that are in use."""
        return len(self._lanes)

    @asynccontextmanager
    async def enter(self, key: int) -> AsyncIterator[None]:
        """Wait for those before in the same lane, then for a place; nobody waits in two places with one."""
        lane = self._lanes.setdefault(key, _Lane())
        lane.users += 1
        try:
            async with lane.lock, self._places:
                yield
        finally:
            lane.users -= 1
            if not lane.users:
                del self._lanes[key]
