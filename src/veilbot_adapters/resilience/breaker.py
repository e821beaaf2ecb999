"""The circuit breaker: after failures in a row it refuses at once, then lets one call try."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerError

from veilbot_core.domain.errors import Unavailable, Unknown, VeilbotError
from veilbot_core.ports.clock import Clock

T = TypeVar("T")


class Breaker:
    """A circuit breaker for coroutines; pybreaker keeps the states, we admit calls and report what became of them.

    While half open it lets one call try. A cancelled call is no verdict, and neither is a call that began before the
    state last changed. What the other side refuses on purpose counts as a sign of life.
    """

    def __init__(self, clock: Clock, *, fail_max: int, reset: float) -> None:
        self._clock = clock
        self._reset = reset
        self._machine = CircuitBreaker(fail_max, exclude=[sign_of_life], throw_new_error_on_trip=False)
        self._opened_at = 0.0
        self._era = 0
        self._trying = False

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half-open``."""
        return self._machine.current_state

    @property
    def refuses_for(self) -> float:
        """Seconds until it lets a call try again."""
        return max(0.0, self._opened_at + self._reset - self._clock.monotonic()) if self.state == STATE_OPEN else 0.0

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do ``work`` and learn from it. Raises CircuitBreakerError without doing it while open."""
        trying, era = self._admit(), self._era
        try:
            try:
                result = await work()
            except Exception as error:
                self._learn(era, error)
                raise
            self._learn(era, None)
            return result
        finally:
            if trying:
                self._trying = False

    def _admit(self) -> bool:
        """Let a call pass, or refuse; return whether it is the one that tries a half-open breaker."""
        state = self.state
        if state == STATE_CLOSED:
            return False
        if self._trying or self.refuses_for > 0:
            raise CircuitBreakerError
        if state == STATE_OPEN:
            self._machine.half_open()
            self._era += 1
        self._trying = True
        return True

    def _learn(self, era: int, error: Exception | None) -> None:
        if era != self._era:
            return
        before = self.state
        try:
            self._machine.call(_replay, error)
        except Exception as raised:
            if raised is not error:
                raise
        if self.state != before:
            self._era += 1
            self._opened_at = self._clock.monotonic()


def sign_of_life(error: Exception) -> bool:
    """Say whether the other side answered, even if it refused."""
    return isinstance(error, VeilbotError) and not isinstance(error, Unavailable | Unknown)


def _replay(error: Exception | None) -> None:
    if error is not None:
        raise error
