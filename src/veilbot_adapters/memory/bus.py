"""Bus inside one process."""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from veilbot_adapters.memory.network import Network, Pause, step_aside
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.events import Event
from veilbot_core.ports.bus import Bus

Subscriber = Callable[[Event], Awaitable[None]]


class MemoryBus(Network, Bus):
    """Hands facts to subscribers of this process, in order, and remembers the last ``keep`` of them.

    When a subscriber raises, the others still get the fact, `publish` raises Unavailable, and all facts come again:
    subscribers are idempotent.
    """

    def __init__(self, *, keep: int = 10_000, pause: Pause = step_aside) -> None:
        super().__init__(pause)
        self.published: deque[Event] = deque(maxlen=keep)
        self._subscribers: list[Subscriber] = []

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call ``callback`` with each fact from now on; return what ends it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    async def publish(self, events: Sequence[Event]) -> None:
        """Hand facts over and wait for every subscriber."""
        async with self._call("publish"):
            failures = [failure for event in events for failure in await self._deliver(event)]
            if failures:
                raise Unavailable(f"a subscriber failed: {type(failures[0]).__name__}") from failures[0]
            self.published.extend(events)

    async def _deliver(self, event: Event) -> list[Exception]:
        failures = []
        for subscriber in tuple(self._subscribers):
            try:
                await subscriber(event)
            except Exception as error:  # noqa: BLE001 - one bad subscriber must not starve the others
                failures.append(error)
        return failures
