"""The one guarded way out: a bulkhead, a circuit breaker, a timeout and careful retries around every call outward.

Retries (tenacity) stand outside and see attempts; around each attempt stand the bulkhead and the breaker (pybreaker,
as a state machine only: its own ways to call know no asyncio); the timeout is inside. An open breaker, a full bulkhead
and a timeout are never tried again: the first two refuse at once, and after the third the caller's patience is over.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn, TypeVar

from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreaker, CircuitBreakerError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from veilbot_core.domain.errors import PortError, Unavailable, Unknown, VeilbotError
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids

T = TypeVar("T")


class Effect(Enum):
    """What a call does to the other side, which decides what a lost answer means."""

    NONE = "none"
    """It reads: a lost answer is Unavailable, and it may be asked again."""
    REPEATABLE = "repeatable"
    """Twice is the same as once: it may be tried again; if no answer comes it is Unknown."""
    ONCE = "once"
    """It must not be repeated blindly: a lost answer is Unknown at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much patience there is with one other side; times in seconds."""

    timeout: float = 10.0
    """For one attempt, and for the wait for a place."""
    attempts: int = 2
    fail_max: int = 5
    """Failures in a row that open the breaker."""
    reset: float = 15.0
    """How long an open breaker refuses before it lets one call try."""
    in_flight: int = 4
    waiting: int = 16
    """Callers that may wait for a place; more are refused at once."""
    backoff: float = 0.2
    """The longest wait before the second attempt; it doubles with each further one."""
    backoff_max: float = 2.0
    """The longest wait at all; a ``retry_after`` beyond it is left to the caller."""


class _Full(Exception):
    """The bulkhead has no place."""


_Failure = PortError | TimeoutError | CircuitBreakerError | _Full
_FAILURES = (PortError, TimeoutError, CircuitBreakerError, _Full)


class Breaker:
    """A circuit breaker for coroutines; pybreaker keeps the states, we admit calls and report what became of them.

    While half open it lets one call try. A cancelled call is no verdict, and neither is a call that began before the
    state last changed. What the other side refuses on purpose counts as a sign of life.
    """

    def __init__(self, clock: Clock, *, fail_max: int, reset: float) -> None:
        self._clock = clock
        self._reset = reset
        self._machine = CircuitBreaker(fail_max, exclude=[_sign_of_life], throw_new_error_on_trip=False)
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


class Guard:
    """The way out to one server or provider; ``name`` stands in errors and must be no secret."""

    def __init__(self, name: str, clock: Clock, ids: Ids, limits: Limits | None = None) -> None:
        self.name = name
        self.limits = limits or Limits()
        self._clock = clock
        self._ids = ids
        self._places = asyncio.Semaphore(self.limits.in_flight)
        self._breaker = Breaker(clock, fail_max=self.limits.fail_max, reset=self.limits.reset)
        self._waiting = 0
        self._calling = 0

    @property
    def state(self) -> str:
        """The breaker's state: ``closed``, ``open`` or ``half-open``."""
        return self._breaker.state

    @property
    def busy(self) -> bool:
        """Whether somebody is calling."""
        return self._calling > 0

    async def call(
        self, work: Callable[[], Awaitable[T]], effect: Effect = Effect.NONE, *, patience: float | None = None
    ) -> T:
        """Do ``work``; ``patience`` replaces the usual timeout.

        ``work`` raises Unavailable if the other side did not do it (with ``retry_after`` where it said so), Unknown if
        it may have, and anything else as a verdict that is passed on.

        Raises:
            Unavailable: also if the breaker is open (``retry_after`` says how long) or too many are waiting.
            Unknown: also if a call with an effect took too long.
        """
        self._calling += 1
        try:
            try:
                return await self._attempt(work, patience)
            except _FAILURES as error:
                failures: list[_Failure] = [error]
            try:
                return await self._again(work, patience, effect, failures)
            except _FAILURES as last:
                self._explain(last, failures, effect)
        finally:
            self._calling -= 1

    async def _attempt(self, work: Callable[[], Awaitable[T]], patience: float | None) -> T:
        patience = patience or self.limits.timeout
        if self._breaker.refuses_for > 0:
            raise CircuitBreakerError
        if self._places.locked():
            await self._wait_for_place(patience)
        else:
            await self._places.acquire()

        async def timed() -> T:
            async with asyncio.timeout(patience):
                return await work()

        try:
            return await self._breaker.run(timed)
        finally:
            self._places.release()

    async def _wait_for_place(self, patience: float) -> None:
        if self._waiting >= self.limits.waiting:
            raise _Full
        self._waiting += 1
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise _Full from error
        finally:
            self._waiting -= 1

    async def _again(
        self, work: Callable[[], Awaitable[T]], patience: float | None, effect: Effect, failures: list[_Failure]
    ) -> T:
        """Let tenacity decide what follows the first failure; it is not asked before, it costs 25 us."""
        replay = list(failures)

        async def attempt() -> T:
            if replay:
                raise replay.pop()
            try:
                return await self._attempt(work, patience)
            except _FAILURES as error:
                failures.append(error)
                raise

        def worth_it(error: BaseException) -> bool:
            if isinstance(error, Unknown):
                return effect is not Effect.ONCE
            return isinstance(error, Unavailable) and (error.retry_after or 0.0) <= self.limits.backoff_max

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.limits.attempts),
            wait=self._backoff,
            retry=retry_if_exception(worth_it),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return await retrying(attempt)

    def _backoff(self, state: RetryCallState) -> float:
        """Full jitter, but never sooner than the other side asked for."""
        most = min(self.limits.backoff_max, self.limits.backoff * 2.0 ** (state.attempt_number - 1))
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, VeilbotError) else None
        return max(most * self._ids.chance(), asked or 0.0)

    def _explain(self, last: _Failure, failures: list[_Failure], effect: Effect) -> NoReturn:
        """Say what the caller needs to know: once something may have happened, a later outage does not undo it."""
        lost = any(isinstance(failure, TimeoutError | Unknown) for failure in failures)
        if _sign_of_life(last) or (isinstance(last, Unknown) and effect is not Effect.NONE):
            raise last
        if lost and effect is not Effect.NONE:
            raise Unknown(f"{self.name} did not answer; it may have done it") from last
        if isinstance(last, Unavailable):
            raise last
        if isinstance(last, CircuitBreakerError):
            wait = self._breaker.refuses_for or self.limits.backoff_max
            raise Unavailable(f"{self.name} failed too often, it is left alone for a while", retry_after=wait) from last
        if isinstance(last, _Full):
            raise Unavailable(f"{self.name} is slow and too many calls wait for it", retry_after=1.0) from last
        raise Unavailable(f"{self.name} did not answer") from last


class Guards:
    """A guard per name; the longest unused ones are forgotten beyond ``most``."""

    def __init__(self, clock: Clock, ids: Ids, limits: Limits | None = None, *, most: int = 1024) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._ids = ids
        self._most = most
        self._guards: OrderedDict[str, Guard] = OrderedDict()

    def get(self, name: str) -> Guard:
        """Return the guard of a server or provider, the same one every time."""
        guard = self._guards.get(name)
        if guard is None:
            self._make_room()
            guard = self._guards[name] = Guard(name, self._clock, self._ids, self.limits)
        self._guards.move_to_end(name)
        return guard

    def drop(self, name: str) -> None:
        """Forget a server that is gone."""
        self._guards.pop(name, None)

    def _make_room(self) -> None:
        if len(self._guards) >= self._most:
            idle = next((name for name, guard in self._guards.items() if not guard.busy), None)
            if idle is not None:
                del self._guards[idle]


def _sign_of_life(error: Exception) -> bool:
    return isinstance(error, VeilbotError) and not isinstance(error, Unavailable | Unknown)


def _replay(error: Exception | None) -> None:
    if error is not None:
        raise error
