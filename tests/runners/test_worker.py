"""The worker takes the next job whenever a slot is free."""

import asyncio
from dataclasses import replace

from tests.services.shop import Outside, build

from veilbot_core.domain.ids import derive
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.policy import Policy
from veilbot_runners.worker import Worker


async def test_jobs_that_end_all_at_once_leave_a_worker_that_goes_on() -> None:
    """With every slot taken, the last one to end must wake the loop after its slot is free, not before."""
    out = Outside.make(Policy())
    application = build(out)
    stop, gate = asyncio.Event(), asyncio.Event()
    left = 10

    async def finish(job: Job) -> None:
        nonlocal left
        await application.storage.write(lambda uow: uow.jobs.finish(job))
        left -= 1
        if left % 2 == 0:  # two have arrived: they wake in one turn of the loop
            asyncio.get_running_loop().call_soon(gate.set)
            await gate.wait()
            gate.clear()
        else:
            await gate.wait()
        if not left:
            stop.set()

    now = out.clock.now()
    jobs = [Job.ask(JobKind.ALERT, derive("alert", number), now) for number in range(left)]
    await application.storage.write(lambda uow: uow.jobs.ask(*jobs))
    handlers = {**application.work.handlers, JobKind.ALERT: finish}
    work = replace(application.work, handlers=handlers)
    async with asyncio.timeout(5):
        await Worker(application=replace(application, work=work), slots=2, drain=1.0).run(stop)
    assert not left
