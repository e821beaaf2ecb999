"""Load: how much the API takes in at once; what is beyond that is refused before it costs memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from veilbot_core.domain.errors import Unavailable
from veilbot_runners.api.limits import BODY_LIMIT

_OPEN = 1000
_BYTES = 64 << 20


class Overloaded(Unavailable):
    """Too much at once; come again."""

    def __init__(self) -> None:
        super().__init__("too many requests at once", retry_after=1.0)


@dataclass(slots=True)
class Visit:
    """A request that was let in."""

    size: int
    """Bytes that its body may take."""
    busy: bool = False
    """Whether it is being worked on; before that its body comes in."""


class Turnstile:
    """Counts requests, those among them that are worked on, and the bytes of their bodies.

    A body that comes slowly does not take the place of a request that could be served: there are places for four
    times as many as are worked on.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = self._busy = self._bytes = 0

    def enter(self, headers: Iterable[tuple[bytes, bytes]]) -> Visit:
        """Let a request in; one without a body is worked on at once. Raises Overloaded."""
        size = _size(headers)
        if self._open >= max(_OPEN, 4 * self._most) or self._bytes + size > _BYTES:
            raise Overloaded
        visit = Visit(size)
        if not size:
            self.begin(visit)
        self._open += 1
        self._bytes += size
        return visit

    def begin(self, visit: Visit) -> None:
        """Note that a request's body is there. Raises Overloaded: it cannot be worked on now."""
        if visit.busy:
            return
        if self._busy >= self._most:
            raise Overloaded
        visit.busy = True
        self._busy += 1

    def leave(self, visit: Visit) -> None:
        """Let it go."""
        self._open -= 1
        self._bytes -= visit.size
        self._busy -= visit.busy


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return how long the body may be: as announced, and nothing is taken that is longer than the limit."""
    for name, value in headers:
        if name == b"content-length":
            return min(int(value[:12]), BODY_LIMIT) if value.isdigit() else BODY_LIMIT
        if name == b"transfer-encoding":
            return BODY_LIMIT
    return 0
