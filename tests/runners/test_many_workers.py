"""Five workers on one Postgres: a schedule fires once per period, whoever does it."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from tests.waiting import until

from veilbot_core.domain.jobs import SCHEDULES, Job, JobKind
from veilbot_core.domain.policy import Policy
from veilbot_runners.container import open_container
from veilbot_runners.settings import load
from veilbot_runners.worker import Worker

PERIOD = 0.3


class Log:
    """When each schedule fired, and in which worker."""

    def __init__(self) -> None:
        self.fired: dict[JobKind, list[float]] = {kind: [] for kind in SCHEDULES}
        self.running: set[JobKind] = set()
        self.workers: set[int] = set()

    async def fire(self, worker: int, job: Job) -> None:
        assert job.kind not in self.running
        self.running.add(job.kind)
        self.workers.add(worker)
        self.fired[job.kind].append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.05)
        self.running.discard(job.kind)


async def test_schedules_fire_once_per_period_in_five_workers(postgres_url: str) -> None:
    settings = load(env_file=None, database_url=postgres_url)
    policy = Policy(every={**Policy().every, **dict.fromkeys(SCHEDULES, timedelta(seconds=PERIOD))})
    log, stop = Log(), asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number in range(5):
            shop = (await stack.enter_async_context(open_container(settings, policy=policy))).application()

            async def fire(job: Job, number: int = number) -> None:
                await log.fire(number, job)

            work = replace(shop.work, handlers=dict.fromkeys(SCHEDULES, fire))
            worker = Worker(application=replace(shop, work=work), poll=0.05, drain=1.0)
            group.create_task(worker.run(stop))
        try:
            await until(lambda: len(log.workers) > 1 and min(map(len, log.fired.values())) >= 4)
        finally:
            stop.set()
    for times in log.fired.values():
        assert all(later - earlier >= PERIOD for earlier, later in pairwise(times))
