"""Load: how much the API takes in at once; what is beyond that is refused before it costs memory."""

from collections.abc import Iterable
from dataclasses import dataclass

from litestar.utils.path import normalize_path

from veilbot_core.domain.errors import Unavailable
from veilbot_runners.api.limits import BODY_LIMIT

_OPEN = 1000
_BYTES = 64 << 20
_TELEGRAM = "/webhooks/telegram"
_BODILESS = frozenset({"GET", "OPTIONS"})
"""Methods whose bodies nobody reads; HEAD comes as GET."""


class Overloaded(Unavailable):
    """Too much at once; come again."""

    def __init__(self) -> None:
        super().__init__("too many requests at once", retry_after=1.0)


@dataclass(slots=True)
class _Share:
    """What requests may take together, and what is taken."""

    most_open: int
    most_busy: int
    most_bytes: int
    open: int = 0
    busy: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Visit:
    """A request that was let in."""

    size: int
    """Bytes that its body may take."""
    shares: tuple[_Share, ...]
    """What it takes its place of."""
    busy: bool = False
    """Whether it is being worked on; before that its body comes in."""


class Turnstile:
    """Counts requests, those among them that are worked on, and the bytes of their bodies.

    A body that comes slowly does not take the place of a request that could be served: there are places for four
    times as many as are worked on. Telegram's updates, which may take as long as an answer in a chat takes, have half
    of everything at most: however many hang, a payment finds a place.
    """

    def __init__(self, most: int) -> None:
        places = max(_OPEN, 4 * most)
        self._all = _Share(places, most, _BYTES)
        self._telegram = _Share(places // 2, max(1, most // 2), _BYTES // 2)

    def enter(self, headers: Iterable[tuple[bytes, bytes]], path: str = "/", method: str = "POST") -> Visit:
        """Let a request in; one without a body is worked on at once. Raises Overloaded."""
        size = _size(headers)
        of_telegram = normalize_path(path) == _TELEGRAM
        visit = Visit(size, (self._all, self._telegram) if of_telegram else (self._all,))
        if any(one.open >= one.most_open or one.bytes + size > one.most_bytes for one in visit.shares):
            raise Overloaded
        if not size or method in _BODILESS:
            self.begin(visit)
        for share in visit.shares:
            share.open += 1
            share.bytes += size
        return visit

    def begin(self, visit: Visit) -> None:
        """Note that a request's body is there. Raises Overloaded: it cannot be worked on now."""
        if visit.busy:
            return
        if any(share.busy >= share.most_busy for share in visit.shares):
            raise Overloaded
        visit.busy = True
        for share in visit.shares:
            share.busy += 1

    def leave(self, visit: Visit) -> None:
        """Let it go."""
        for share in visit.shares:
            share.open -= 1
            share.bytes -= visit.size
            share.busy -= visit.busy


def _size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return how long the body may be: as announced, and nothing is taken that is longer than the limit."""
    for name, value in headers:
        if name == b"content-length":
            return min(int(value[:12]), BODY_LIMIT) if value.isdigit() else BODY_LIMIT
        if name == b"transfer-encoding":
            return BODY_LIMIT
    return 0
