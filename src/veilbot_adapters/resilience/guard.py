"""The one guarded way out: a bulkhead, a circuit breaker, a deadline and careful retries around every call outward.

Retries (tenacity) stand outside and see attempts; around each attempt stand the bulkhead and the breaker (pybreaker,
as a state machine only: its own ways to call know no asyncio); the deadline of the whole call is inside. An open
breaker, a full bulkhead, a side that asked for a rest and a timeout are never tried again: the first three refuse at
once, and after the last the caller's patience is over.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar

from pybreaker import CircuitBreakerError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from veilbot_adapters.resilience.breaker import Breaker, sign_of_life
from veilbot_adapters.resilience.bulkhead import Budget, Bulkhead, Full
from veilbot_adapters.resilience.limits import Effect, Limits
from veilbot_core.domain.errors import PortError, Unavailable, Unknown, VeilbotError
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids

T = TypeVar("T")


class _Resting(Exception):
    """The other side asked for a rest that is not over."""


_Failure = PortError | TimeoutError | CircuitBreakerError | Full | _Resting
_FAILURES = (PortError, TimeoutError, CircuitBreakerError, Full, _Resting)


class Guard:
    """The way out to one server or provider; ``name`` stands in errors and must be no secret."""

    def __init__(self, name: str, clock: Clock, ids: Ids, limits: Limits | None = None) -> None:
        self.name = name
        self.limits = limits or Limits()
        self._clock = clock
        self._ids = ids
        self._bulkhead = Bulkhead(clock, self.limits)
        self._breaker = Breaker(clock, fail_max=self.limits.fail_max, reset=self.limits.reset)
        self._budget = Budget(self.limits)
        self._rests_until = 0.0
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
        """Do ``work``; ``patience`` replaces the usual time for the whole call.

        ``work`` raises Unavailable if the other side did not do it (with ``retry_after`` where it said so), Unknown if
        it may have, and anything else as a verdict that is passed on.

        Raises:
            Unavailable: also if the breaker is open or the other side asked for a rest (``retry_after`` says how
                long), or too many are waiting.
            Unknown: also if a call with an effect took too long.
        """
        until = asyncio.get_running_loop().time() + (patience or self.limits.timeout)
        self._calling += 1
        self._budget.earn()
        try:
            try:
                return await self._attempt(work, until)
            except _FAILURES as error:
                failures: list[_Failure] = [error]
            try:
                return await self._again(work, until, effect, failures)
            except _FAILURES as last:
                self._explain(last, failures, effect)
        finally:
            self._calling -= 1

    async def _attempt(self, work: Callable[[], Awaitable[T]], until: float) -> T:
        if self._rests_until and self._rests_until > self._clock.monotonic():
            raise _Resting
        if self._breaker.refuses_for > 0:
            raise CircuitBreakerError
        await self._bulkhead.enter(until)
        answered = False

        async def timed() -> T:
            async with asyncio.timeout_at(until):
                return await work()

        try:
            result = await self._breaker.run(timed)
            answered = True
        except VeilbotError as error:
            answered = True
            if self.limits.rests and isinstance(error, Unavailable | Unknown) and error.retry_after:
                rest = self._clock.monotonic() + min(error.retry_after, self.limits.rest_max)
                self._rests_until = max(self._rests_until, rest)
            raise
        else:
            return result
        finally:
            self._bulkhead.leave(answered=answered)

    async def _again(
        self, work: Callable[[], Awaitable[T]], until: float, effect: Effect, failures: list[_Failure]
    ) -> T:
        """Let tenacity decide what follows the first failure; it is not asked before, it costs 25 us."""
        replay = list(failures)
        loop = asyncio.get_running_loop()

        async def attempt() -> T:
            if replay:
                raise replay.pop()
            if loop.time() >= until:  # the backoff took what was left
                raise failures[-1]
            try:
                return await self._attempt(work, until)
            except _FAILURES as error:
                failures.append(error)
                raise

        def worth_it(error: BaseException) -> bool:
            if not isinstance(error, Unavailable | Unknown) or (error.retry_after or 0.0) > self.limits.backoff_max:
                return False
            return isinstance(error, Unavailable) or effect is not Effect.ONCE

        def stop(state: RetryCallState) -> bool:
            late = loop.time() + state.upcoming_sleep >= until
            return stop_after_attempt(self.limits.attempts)(state) or late or not self._budget.spend()

        retrying = AsyncRetrying(
            stop=stop,
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
        if sign_of_life(last) or (isinstance(last, Unknown) and effect is not Effect.NONE):
            raise last
        if lost and effect is not Effect.NONE:
            raise Unknown(f"{self.name} did not answer; it may have done it") from last
        if isinstance(last, Unavailable):
            raise last
        if isinstance(last, CircuitBreakerError):
            wait = self._breaker.refuses_for or self.limits.backoff_max
            raise Unavailable(f"{self.name} failed too often, it is left alone for a while", retry_after=wait) from last
        if isinstance(last, _Resting):
            wait = self._rests_until - self._clock.monotonic()
            raise Unavailable(f"{self.name} asked for a rest", retry_after=wait) from last
        if isinstance(last, Full):
            wait = self.limits.reset if last.silent else self.limits.wait / 2
            raise Unavailable(f"{self.name} is slow and too many wait for it", retry_after=wait) from last
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
