"""What the memory adapters that stand for a network share: switches, and no entry from inside a transaction."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from veilbot_core.domain.errors import NetworkInsideTransaction, Unknown

inside_unit_of_work: ContextVar[bool] = ContextVar("inside_unit_of_work", default=False)
"""True while a memory storage runs a unit of work, and for ever in tasks that were started from inside one."""

Pause = Callable[[], Awaitable[None]]
"""What an adapter awaits where a real one would wait for the wire; a simulator decides here who goes on."""


async def step_aside() -> None:
    """Let every other ready task run once."""
    await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What shall happen to a coming call."""

    on: str | None
    before: BaseException | None = None
    after: BaseException | None = None
    hang: bool = False


class Network:
    """The switches of a memory adapter; each works once, on the next call, or the next call of the method ``on``.

    ``calls`` counts the calls of each method, refused ones too.
    """

    def __init__(self, pause: Pause = step_aside) -> None:
        self.calls: Counter[str] = Counter()
        self._pause = pause
        self._plans: deque[_Plan] = deque()

    def fail_next(self, error: BaseException, *, on: str | None = None, times: int = 1) -> None:
        """Let the next call (or ``times`` calls) raise ``error`` and do nothing."""
        self._plans.extend([_Plan(on, before=error)] * times)

    def hang_next(self, *, on: str | None = None) -> None:
        """Let the next call wait until it is cancelled; it does nothing."""
        self._plans.append(_Plan(on, hang=True))

    def apply_then_fail(self, error: BaseException | None = None, *, on: str | None = None) -> None:
        """Let the next call take effect and raise all the same; `Unknown` unless told otherwise."""
        self._plans.append(_Plan(on, after=error or Unknown()))

    @asynccontextmanager
    async def _call(self, method: str) -> AsyncIterator[None]:
        """Stand around the effect of one call."""
        self.calls[method] += 1
        if inside_unit_of_work.get():
            raise NetworkInsideTransaction(f"{type(self).__name__}.{method} was called inside a unit of work")
        await self._pause()
        plan = self._next(method)
        if plan is not None and plan.hang:
            await asyncio.Event().wait()
        if plan is not None and plan.before is not None:
            raise plan.before
        yield
        if plan is not None and plan.after is not None:
            raise plan.after

    def _next(self, method: str) -> _Plan | None:
        for index, plan in enumerate(self._plans):
            if plan.on in {None, method}:
                del self._plans[index]
                return plan
        return None
