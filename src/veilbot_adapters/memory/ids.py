"""Ids that are the same in every run."""

import base64
from random import Random
from uuid import UUID

from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids


class MemoryIds(Ids):
    """Ids, secrets and chance from one seeded generator; never for production, anyone can foretell them."""

    def __init__(self, clock: Clock, seed: int = 0) -> None:
        self._clock = clock
        self._random = Random(seed)
        self._last = 0

    def new(self) -> UUID:
        """Return an id with the shape of a UUIDv7: virtual time, a counter in 42 bits, seeded chance in 32."""
        milliseconds = int(self._clock.now().timestamp() * 1000)
        stamp = self._last = max(milliseconds << 42, self._last + 1)
        value = (stamp >> 30 & 0xFFF) << 64 | (stamp & 0x3FFF_FFFF) << 32 | self._random.getrandbits(32)
        return UUID(int=(stamp >> 42) << 80 | 0x7 << 76 | 0x2 << 62 | value)

    def secret(self) -> str:
        """Return 22 characters."""
        return base64.urlsafe_b64encode(self._random.randbytes(16)).rstrip(b"=").decode()

    def chance(self) -> float:
        """Return the next number of the generator."""
        return self._random.random()
