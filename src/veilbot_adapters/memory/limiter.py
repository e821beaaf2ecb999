"""Limiter inside one process."""

from collections import OrderedDict

from veilbot_core.ports.clock import Clock
from veilbot_core.ports.limiter import Limiter, Verdict


class MemoryLimiter(Limiter):
    """A window opens at a name's first hit and is forgotten at its end; at most ``size`` names are counted at a time.

    Beyond that the oldest window is forgotten early, so that no flood of names fills the memory.
    """

    def __init__(self, clock: Clock, *, size: int = 100_000) -> None:
        self._clock = clock
        self._size = size
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def hit(self, name: str, limit: int, seconds: float) -> Verdict:
        """Count one in the name's window."""
        now = self._clock.monotonic()
        ends, count = self._windows.get(name, (now, 0))
        if ends <= now:
            ends, count = now + seconds, 0
            self._windows.pop(name, None)
            self._make_room(now)
        count += 1
        self._windows[name] = (ends, count)
        allowed = count <= limit
        return Verdict(
            allowed=allowed, remaining=max(0, limit - count), retry_after=0.0 if allowed else max(0.0, ends - now)
        )

    def _make_room(self, now: float) -> None:
        """Forget windows that are over, from the oldest on, and one more when it is full."""
        while self._windows:
            name, (ends, _) = next(iter(self._windows.items()))
            if ends > now and len(self._windows) < self._size:
                return
            del self._windows[name]
