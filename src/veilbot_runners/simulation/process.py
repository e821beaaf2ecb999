"""Process: one running shop with its own memory, that may die at any step."""

import asyncio
from asyncio import CancelledError, Task
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

from veilbot_core.application import Application
from veilbot_core.domain.errors import VeilbotError
from veilbot_core.ports.doorbell import Doorbell
from veilbot_runners.simulation.faults import Fault, Faults
from veilbot_runners.simulation.history import History
from veilbot_runners.simulation.loop import OWNER, Owner, VirtualLoop
from veilbot_runners.worker import Worker

T = TypeVar("T")


class NoAnswer(Exception):
    """Whoever asked never heard what became of it."""


class Killed(BaseException):
    """The process died inside a unit of work."""


class Surroundings(Protocol):
    """What a process stands in."""

    loop: VirtualLoop
    faults: Faults
    history: History


class Process(Owner):
    """Everything that one process started; once it is dead, nothing of it reaches the outside."""

    def __init__(self, around: Surroundings, name: str, bell: Doorbell) -> None:
        super().__init__()
        self.name = name
        self.dead = False
        self.stood_at = float("-inf")
        """When it last began to stand still, in seconds of virtual time."""
        self.bell = bell
        self.application: Application
        self.worker: Worker | None = None
        self._around = around
        self._tasks: dict[Task[Any], None] = {}
        self._context = copy_context()
        self._context.run(OWNER.set, self)

    async def step(self, what: str, *, weight: float = 1.0, wait: float = 0.0) -> None:
        """Take some time; the process may die or stand still here."""
        around, faults = self._around, self._around.faults
        self.check()
        chance = faults.random.random()
        await asyncio.sleep(wait + (chance * 0.05 if chance > 0.5 else 0.0))
        if faults.strikes(Fault.CRASH, weight * 0.1):
            around.history.faults[f"died at {what}"] += 1
            around.history.note(self.name, "dies at", what)
            self.kill()
        elif faults.strikes(Fault.PAUSES, weight * 0.04):
            around.history.faults["pause"] += 1
            self.stand_still(faults.random.uniform(5, 90))
        if self.dead or self.stopped:
            await asyncio.sleep(0)

    def check(self) -> None:
        """Let nothing happen after death."""
        if self.dead:
            raise CancelledError

    def strike_inside(self, what: str) -> None:
        """Perhaps die where nothing can be awaited."""
        if self._around.faults.strikes(Fault.CRASH, 0.3):
            self._around.history.faults[f"died at {what}"] += 1
            self._around.history.note(self.name, "dies inside", what)
            self.kill()
            raise Killed

    def kill(self) -> None:
        """Die, as by SIGKILL: whatever was under way is never heard of again."""
        if not self.dead:
            self.dead = True
            for task in list(self._tasks):
                task.cancel()
            self._around.loop.resume(self)

    def stand_still(self, seconds: float) -> None:
        """Do nothing for a while, timers included, then go on as if no time had passed."""
        if not self.stopped and not self.dead:
            self._around.history.note(self.name, "stands still for", round(seconds))
            self.stopped = True
            self.stood_at = self._around.loop.time()
            self._around.loop.later(seconds, lambda: self._around.loop.resume(self))

    def start(self, work: Coroutine[Any, Any, T]) -> Task[T]:
        """Begin something that lives no longer than the process."""
        task = self._around.loop.create_task(work, context=self._context.copy())
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    async def live(self, worker: Worker) -> None:
        """Work until death."""
        self.worker = worker
        root = self.start(worker.run(asyncio.Event()))
        await asyncio.wait({root})
        if not self.dead:
            error = None if root.cancelled() else root.exception()
            self._around.history.breach("workers_survive", f"{self.name} ended by itself: {error!r}")
            self.kill()
        await self.gone()

    async def gone(self) -> None:
        """Wait until nothing of a dead process is left."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def ask(self, act: Callable[[Application], Awaitable[T]], patience: float) -> T:
        """Do what a request asks for and return the answer. Raises NoAnswer when none came in time."""

        async def answer() -> T:
            return await act(self.application)

        task = self.start(answer())
        await asyncio.wait({task}, timeout=patience)
        if not task.done() or task.cancelled():
            raise NoAnswer
        error = task.exception()
        if error is not None and not isinstance(error, VeilbotError | TimeoutError):
            if not isinstance(error, Killed):
                self._around.history.breach("no_step_fails_by_itself", f"a request: {type(error).__name__}: {error}")
            raise NoAnswer from error
        return task.result()

    def _ended(self, task: Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled():
            task.exception()  # whoever asked may have left
