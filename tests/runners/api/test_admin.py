"""Module admin."""

from typing import Any
from uuid import uuid4

from tests.runners.api.world import NOWHERE, World

from veilbot_core.domain.jobs import Job, JobKind, JobState
from veilbot_core.ports.storage import UnitOfWork


async def test_a_key_shows_its_secret_once_and_dies_when_revoked(world: World) -> None:
    made = await world.post("/api/v1/admin/api-keys", 201, json={"name": "tool", "scopes": ["users:read"], "days": 90})
    mine = {"Authorization": f"Bearer {made['secret']}"}
    assert made["key"]["expires_at"] == "2026-04-01T12:00:00Z"
    assert await world.get("/api/v1/users", headers=mine)
    listed = await world.everything("/api/v1/admin/api-keys", 1)
    assert made["key"] in listed
    assert made["secret"] not in str(listed)
    assert (await world.post(f"/api/v1/admin/api-keys/{made['key']['id']}/revoke"))["revoked_at"]
    await world.clock.advance(1)
    await world.get("/api/v1/users", 401, headers=mine)
    await world.post(f"/api/v1/admin/api-keys/{NOWHERE}/revoke", 404)


async def test_a_key_gives_no_scope_that_it_lacks(world: World) -> None:
    mine = await world.key("admin:write", "users:write")
    body = {"name": "tool", "scopes": ["users:read", "admin:read"]}
    await world.post("/api/v1/admin/api-keys", 201, headers=mine, json=body)
    for beyond in ("*", "vpn:read"):
        body = {"name": "tool", "scopes": ["users:read", beyond]}
        problem = await world.post("/api/v1/admin/api-keys", 403, headers=mine, json=body)
        assert problem["code"] == "forbidden"


async def test_a_key_gives_no_key_that_outlives_it(world: World) -> None:
    short = await world.key("admin:write", days=10)
    body = {"name": "child", "scopes": ["admin:read"]}
    for days in (None, 11):
        await world.post("/api/v1/admin/api-keys", 403, json=body | {"days": days}, headers=short)
    await world.post("/api/v1/admin/api-keys", 201, json=body | {"days": 10}, headers=short)


async def test_bad_keys_are_refused(world: World) -> None:
    wrong: list[dict[str, Any]] = [{"scopes": []}, {"scopes": ["all"]}, {"name": "\n"}, {"days": 0}, {"days": 10**9}]
    for changes in wrong:
        body = {"name": "tool", "scopes": ["users:read"]} | changes
        problem = await world.post("/api/v1/admin/api-keys", 400, json=body)
        assert problem["errors"][0]["field"].startswith(next(iter(changes)))


async def test_dead_jobs_are_listed_and_tried_again(world: World) -> None:
    now = world.clock.now()

    def bury(uow: UnitOfWork) -> list[Job]:
        uow.jobs.ask(*(Job.ask(JobKind.ALERT, uuid4(), now, detail="order.held") for _ in range(3)))
        jobs = uow.jobs.claim(now, now, 10)
        for job in jobs:
            uow.jobs.bury(job, "nobody listens")
        return list(jobs)

    dead = await world.storage.write(bury)
    listed = await world.everything("/api/v1/admin/dead-jobs", 2)
    assert [job["id"] for job in listed] == sorted(str(job.id) for job in dead)
    assert listed[0]["error"] == "nobody listens"
    path = f"/api/v1/admin/dead-jobs/{listed[1]['id']}/requeue"
    assert (await world.post(path, 202))["id"] == listed[1]["id"]
    await world.post(path, 404)
    await world.post(f"/api/v1/admin/dead-jobs/{NOWHERE}/requeue", 404)
    await world.post(f"/api/v1/admin/dead-jobs/{'0' * 8}-0000-0000-0000-{'0' * 12}/requeue", 404)
    assert len(await world.everything("/api/v1/admin/dead-jobs", 2)) == 2
    [job] = await world.application.work.claim(10)
    assert (str(job.id), job.state) == (listed[1]["id"], JobState.READY)
