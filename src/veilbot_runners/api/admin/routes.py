"""Routes of the module admin."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Request, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from veilbot_core.application import Application
from veilbot_core.domain.errors import Forbidden
from veilbot_core.domain.ids import ApiKeyId, JobId
from veilbot_core.services.notices import DeadJob
from veilbot_runners.api.admin.schemas import ApiKeyView, JobView, MadeApiKey, NewApiKey
from veilbot_runners.api.idempotency import Attempt
from veilbot_runners.api.openapi import changes, needs
from veilbot_runners.api.paging import After, Limit, Page, paged, shelf

AnyRequest = Request[Any, Any, Any]
App = NamedDependency[SkipValidation[Application]]


@get("/api-keys", **needs("admin:read"), summary="List API keys")
async def list_api_keys(application: App, limit: Limit = 50, after: After = None) -> Page[ApiKeyView]:
    """Oldest first, without their secrets."""
    return shelf(await application.api_keys.all(), ApiKeyView.of, limit, after)


@post("/api-keys", **changes("admin:write", shown_once="secret"), summary="Make an API key")
async def add_api_key(application: App, request: AnyRequest, attempt: Attempt, data: JSONBody[NewApiKey]) -> MadeApiKey:
    """Make an API key; its secret is in this answer alone. A key gives no scope that it lacks, and no more time."""
    if beyond := [scope for scope in data.scopes if not request.auth.may(scope)]:
        raise Forbidden(f"this key cannot give the scope {beyond[0]}")
    end = request.auth.expires_at
    if end is not None and (data.days is None or application.api_keys.clock.now() + timedelta(days=data.days) > end):
        raise Forbidden("this key cannot give a key that outlives it: ask for fewer days")
    key, secret = await application.api_keys.add(data.name, data.scopes, days=data.days, request=attempt)
    return MadeApiKey(ApiKeyView.of(key), secret)


@post("/api-keys/{key_id:uuid}/revoke", **changes("admin:write"), status_code=200, summary="Revoke an API key")
async def revoke_api_key(application: App, key_id: FromPath[UUID]) -> ApiKeyView:
    """Shut a key for ever, within a second."""
    return ApiKeyView.of(await application.api_keys.revoke(ApiKeyId(key_id)))


@get("/dead-jobs", **needs("admin:read"), summary="List dead jobs")
async def list_dead_jobs(application: App, limit: Limit = 50, after: After = None) -> Page[JobView]:
    """By id: which, for whom, since when, and why."""
    notices = application.notices
    return await paged(lambda n, start: notices.dead(limit=n, after=start), JobView.of, limit, after)


@post("/dead-jobs/{job_id:uuid}/requeue", **changes("admin:write"), status_code=202, summary="Try a dead job again")
async def requeue_job(application: App, job_id: FromPath[UUID]) -> JobView:
    """Let a worker try it again, at once and with all its attempts."""
    return JobView.of(DeadJob(job=await application.work.requeue(JobId(job_id))))


router = Router(
    "/admin",
    route_handlers=[list_api_keys, add_api_key, revoke_api_key, list_dead_jobs, requeue_job],
    tags=["admin"],
)
