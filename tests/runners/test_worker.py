"""The worker takes the next job whenever a slot is free."""

import asyncio
import logging
from dataclasses import replace

import pytest
from tests.services.shop import Outside, build
from tests.waiting import PATIENCE

from veilbot_core.application import Application
from veilbot_core.domain.ids import derive
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.policy import Policy
from veilbot_core.services.work import Handler
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
    async with asyncio.timeout(PATIENCE):
        await Worker(application=replace(application, work=work), slots=2, drain=1.0).run(stop)
    assert not left


def with_handlers(application: Application, **changed: Handler) -> Application:
    """Return the shop with other handlers for some kinds of jobs."""
    handlers = {**application.work.handlers, **{JobKind(kind): handler for kind, handler in changed.items()}}
    return replace(application, work=replace(application.work, handlers=handlers))


async def test_a_job_that_does_not_end_is_given_back_and_that_is_no_failure_of_its() -> None:
    out = Outside.make(Policy())
    application = build(out)
    stop, ended = asyncio.Event(), asyncio.Event()

    async def hang(_: Job) -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    job = Job.ask(JobKind.ALERT, derive("alert", 1), out.clock.now())
    await application.storage.write(lambda uow: uow.jobs.ask(job))
    async with asyncio.timeout(PATIENCE):
        await Worker(application=with_handlers(application, alert=hang), drain=0.05).run(stop)
    assert ended.is_set()
    (again,) = [one for one in await application.work.claim(10) if one.kind is JobKind.ALERT]
    assert again.attempts == 1
    assert again.fence == 2


async def served(poison: int) -> tuple[float, Outside, Application, int]:
    """Let a worker do 500 good jobs and some that always fail; return the virtual seconds until the good are done."""
    out = Outside.make(Policy())
    application = build(out)
    stop = asyncio.Event()
    left, tried = 500, 0

    async def good(job: Job) -> None:
        nonlocal left
        await out.clock.sleep(0.1)
        await application.storage.write(lambda uow: uow.jobs.finish(job))
        left -= 1

    async def bad(_: Job) -> None:
        nonlocal tried
        tried += 1
        raise ZeroDivisionError

    now = out.clock.now()
    jobs = [Job.ask(JobKind.TELL_READY, derive("good", number), now) for number in range(left)]
    jobs += [Job.ask(JobKind.TELL_PAID, derive("bad", number), now) for number in range(poison)]
    await application.storage.write(lambda uow: uow.jobs.ask(*jobs))
    shop = with_handlers(application, tell_ready=good, tell_paid=bad)
    async with asyncio.TaskGroup() as group:
        group.create_task(Worker(application=shop, slots=16, poll=0.1).run(stop))
        began = out.clock.monotonic()
        while left:
            await out.clock.advance(0.05)
        took = out.clock.monotonic() - began
        for _ in range(200):
            await out.clock.advance(1)
        stop.set()
        await out.clock.advance(1)
    return took, out, application, tried


async def test_poison_goes_to_the_dead_letters_and_slows_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    clean, *_ = await served(0)
    took, out, application, tried = await served(20)
    assert took <= 1.1 * clean
    assert tried == 20 * 8
    dead = await application.work.dead(limit=100)
    assert len(dead) == 20
    assert {(job.kind, job.error) for job in dead} == {(JobKind.TELL_PAID, "ZeroDivisionError")}
    assert [alert.code for alert in out.notifier.alerts].count("job.dead") == 20
