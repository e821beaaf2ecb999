"""Cache inside one process."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from veilbot_core.ports.cache import Cache
from veilbot_core.ports.clock import Clock


class MemoryCache(Cache):
    """Keeps up to ``size`` answers until their time is over; beyond that, what was used longest ago goes first."""

    def __init__(self, clock: Clock, *, size: int = 10_000) -> None:
        self._clock = clock
        self._size = size
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._flights: dict[str, asyncio.Future[bytes]] = {}

    async def get(self, name: str) -> bytes | None:
        """Return what is kept and still good."""
        return self._look(name)

    async def set(self, name: str, value: bytes, seconds: float) -> None:
        """Keep a value; an answer that is being made right now is older, and not kept over it."""
        self._flights.pop(name, None)
        self._keep(name, value, seconds)

    async def drop(self, name: str) -> None:
        """Forget a value; an answer that is being made right now may be stale, and is not kept."""
        self._flights.pop(name, None)
        self._kept.pop(name, None)

    async def fetch(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return what is kept, or wait for who makes it, or make it.

        When the maker fails, all who wait fail with it and nothing is kept; when it is cancelled, one of them makes.
        """
        while True:
            kept = self._look(name)
            if kept is not None:
                return kept
            flight = self._flights.get(name)
            if flight is None:
                return await self._make(name, seconds, make)
            await asyncio.wait([flight])  # unlike awaiting it, this does not cancel it when we are cancelled
            if not flight.cancelled():
                return flight.result()

    async def _make(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        flight: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._flights[name] = flight
        try:
            value = await make()
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # nobody may be waiting: mark it as seen
            raise
        except BaseException:
            flight.cancel()
            raise
        else:
            flight.set_result(value)
            if self._flights.get(name) is flight:
                self._keep(name, value, seconds)
            return value
        finally:
            if self._flights.get(name) is flight:
                del self._flights[name]

    def _look(self, name: str) -> bytes | None:
        value, until = self._kept.get(name, (None, 0.0))
        if value is None:
            return None
        if self._clock.monotonic() >= until:
            del self._kept[name]
            return None
        self._kept.move_to_end(name)
        return value

    def _keep(self, name: str, value: bytes, seconds: float) -> None:
        self._kept[name] = (value, self._clock.monotonic() + seconds)
        self._kept.move_to_end(name)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
