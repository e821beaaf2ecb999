"""Near: the answers that this process keeps itself, before it asks Redis."""

from collections import OrderedDict

from veilbot_core.ports.clock import Clock


class Near:
    """Up to ``size`` values, each for a time; beyond that, what was used longest ago goes first."""

    def __init__(self, clock: Clock, size: int) -> None:
        self._clock = clock
        self._size = size
        self._kept: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        """Count what is kept, good or not."""
        return len(self._kept)

    def get(self, name: str) -> bytes | None:
        """Return what is kept and still good."""
        value, until = self._kept.get(name, (None, 0.0))
        if value is None:
            return None
        if self._clock.monotonic() >= until:
            del self._kept[name]
            return None
        self._kept.move_to_end(name)
        return value

    def put(self, name: str, value: bytes, seconds: float) -> None:
        """Keep a value."""
        self._kept[name] = (value, self._clock.monotonic() + seconds)
        self._kept.move_to_end(name)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def drop(self, name: str) -> None:
        """Forget a value."""
        self._kept.pop(name, None)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
