"""What runs now: a job that two workers run at once is seen, unless one of them had stood still."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from veilbot_core.domain.ids import JobId
from veilbot_core.domain.jobs import Job
from veilbot_core.ports.clock import Clock
from veilbot_runners.simulation.history import History
from veilbot_runners.simulation.process import Process

_ROUNDING = 0.001
"""Seconds: the wall clock counts in microseconds, the loop in less."""


class Running:
    """The claims that are being run, of all processes, until their end is committed."""

    def __init__(self, clock: Clock, history: History, lease: timedelta) -> None:
        self._clock, self._history, self._lease = clock, history, lease
        self._claims: dict[JobId, list[tuple[Process, Job]]] = {}

    @contextmanager
    def claim(self, process: Process, job: Job) -> Iterator[None]:
        """Stand around the run of a claimed job."""
        mine = process, job
        others = [one for one in self._claims.get(job.id, ()) if self._awake(*one)]
        if others and self._awake(*mine):
            names = ", ".join([one[0].name for one in others] + [process.name])
            self._history.breach("nothing_runs_beside_itself", f"{job.kind} {job.subject} {job.detail}: {names}")
        self._claims.setdefault(job.id, []).append(mine)
        try:
            yield
        finally:
            self.over(job)

    def over(self, job: Job) -> None:
        """Forget a claim: its end is committed, or its run is over."""
        left = [one for one in self._claims.pop(job.id, ()) if one[1].fence != job.fence]
        if left:
            self._claims[job.id] = left

    def _awake(self, process: Process, job: Job) -> bool:
        """Say whether a process lives, and has not stood still since it claimed the job."""
        until = job.leased_until or self._clock.now()
        ago = self._clock.now() - (until - self._lease)
        return not process.dead and process.stood_at < self._clock.monotonic() - ago.total_seconds() - _ROUNDING
