"""Pace: not faster than Telegram takes it (about 30 messages a second for a bot)."""

from veilbot_core.domain.errors import Unavailable
from veilbot_core.ports.clock import Clock

_BURST = 0.2  # seconds' worth of messages that may go at once
_PATIENCE = 2.0  # seconds that a caller waits here; a job that must wait longer is better given back


class Pace:
    """A token bucket (GCRA) that can also be told to stand still; 0 per second means no limit."""

    def __init__(self, clock: Clock, per_second: float) -> None:
        self._clock = clock
        self._interval = 1.0 / per_second if per_second > 0 else 0.0
        self._next = 0.0
        self._paused_until = 0.0

    async def turn(self) -> None:
        """Wait for the next turn. Raises Unavailable, with ``retry_after``, when that is too far away."""
        now = self._clock.monotonic()
        pause = self._paused_until - now
        if pause > 0:
            raise Unavailable("Telegram asked for a pause", retry_after=pause)
        if not self._interval:
            return
        turn = max(self._next, now)
        wait = turn - now - _BURST
        if wait > _PATIENCE:
            raise Unavailable("too many messages at once", retry_after=wait)
        self._next = turn + self._interval
        if wait > 0:
            await self._clock.sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let nobody pass for a while."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
