"""Work on its way from the event loop to a database thread and back."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from veilbot_adapters.database.unit import DatabaseUnitOfWork
from veilbot_core.ports.doorbell import Doorbell


class Call:
    """One unit of work and the future that waits for it."""

    __slots__ = ("asked", "error", "future", "result", "work")

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.result: object = None
        self.error: BaseException | None = None
        self.asked = False

    def run(self, uow: DatabaseUnitOfWork) -> None:
        """Run the work and keep what became of it; an error is its caller's, not the thread's.

        What nobody waits for any more is not begun: its caller has been told that it was too late.
        """
        if self.future.cancelled():
            return
        uow.session.asked = False
        try:
            self.result = self.work(uow)
        except BaseException as error:  # noqa: BLE001 - it is raised again where it belongs
            # A future does not take a StopIteration.
            self.error = RuntimeError("a unit of work ran dry") if isinstance(error, StopIteration) else error
        self.asked = self.error is None and uow.session.asked

    def fail(self, error: BaseException) -> None:
        """Forget what the work did: it was rolled back."""
        self.result, self.error, self.asked = None, error, False

    def _settle(self) -> None:
        if self.future.done():  # its caller gave up
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


def deliver(calls: Sequence[Call], doorbell: Doorbell) -> None:
    """Tell callers what became of their work, each on its own loop, with one wake-up per loop; from any thread."""
    loops: dict[asyncio.AbstractEventLoop, list[Call]] = {}
    for call in calls:
        loops.setdefault(call.future.get_loop(), []).append(call)
    for loop, waiting in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle_all, waiting, doorbell)


def _settle_all(calls: Sequence[Call], doorbell: Doorbell) -> None:
    for call in calls:
        call._settle()  # noqa: SLF001 - the other half of this module
    if any(call.asked for call in calls):
        doorbell.ring()
