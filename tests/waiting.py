"""Time in tests: waiting for what must happen on a machine of any speed, and time that is not real."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from random import Random
from typing import Any, ParamSpec

from veilbot_runners.simulation.loop import VirtualLoop

P = ParamSpec("P")
PATIENCE = 60.0
"""Seconds after which something will never happen; a test that passes waits for the thing, never for this."""


async def until(true: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something that has no bell is true. Raises TimeoutError if it never is."""
    async with asyncio.timeout(patience):
        while not true():  # noqa: ASYNC110 - it has no bell
            await asyncio.sleep(0.005)


class _InOrder(Random):
    """Lets tasks go on in the order in which they became ready, as asyncio's own loop does."""

    def random(self) -> float:
        """Choose the first."""
        return 0.0


def on_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a loop whose time passes at once and never by itself; its fixtures must not be asynchronous."""

    @wraps(test)
    def run(*given: P.args, **named: P.kwargs) -> None:
        loop = VirtualLoop(_InOrder())
        try:
            loop.run_until_complete(test(*given, **named))
        finally:
            loop.close()

    return run
