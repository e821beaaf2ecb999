"""The machine's own clock and chance."""

import asyncio
import os
import random
import secrets
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids

_LOW_30 = (1 << 30) - 1


class SystemClock(Clock):
    """Time as the operating system tells it."""

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class SystemIds(Ids):
    """UUIDv7 (RFC 9562, section 5.7) with a counter of 42 bits after the milliseconds (section 6.2, method 1).

    Each millisecond begins the counter at a random number below 2**41, so there is always room for 2**41 ids more;
    a clock that stands or goes back only makes the counter go on. Safe in threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def new(self) -> UUID:
        """Return an id greater than all before it."""
        chance = int.from_bytes(os.urandom(10), "big")
        fresh = int(self._clock.now().timestamp() * 1000) << 42 | chance >> 39
        with self._lock:
            if fresh >> 42 > self._last >> 42:
                self._last = fresh
            else:
                self._last += 1
            stamp = self._last
        value = (stamp >> 42) << 80 | 0x7 << 76 | (stamp >> 30 & 0xFFF) << 64
        return UUID(int=value | 0x2 << 62 | (stamp & _LOW_30) << 32 | chance & 0xFFFF_FFFF)

    def secret(self) -> str:
        """Return 32 characters that hold 192 random bits."""
        return secrets.token_urlsafe(24)

    def chance(self) -> float:
        """Return a number from 0 to below 1."""
        return random.random()
