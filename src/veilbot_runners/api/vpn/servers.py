"""Routes of the module vpn that are about servers."""

from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation

from veilbot_core.application import Application
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.server import ServerStatus
from veilbot_runners.api.idempotency import Attempt
from veilbot_runners.api.openapi import changes, needs
from veilbot_runners.api.paging import After, Limit, Page, shelf
from veilbot_runners.api.vpn.schemas import HealthView, NewServer, NewSize, Reconcile, ReportView, ServerView

App = NamedDependency[SkipValidation[Application]]


@get("/servers", **needs("vpn:read"), summary="List servers")
async def list_servers(application: App, limit: Limit = 50, after: After = None) -> Page[ServerView]:
    """Oldest first."""
    return shelf(await application.fleet.all(), ServerView.of, limit, after)


@post("/servers", **changes("vpn:write"), summary="Put a server into service")
async def add_server(application: App, attempt: Attempt, data: JSONBody[NewServer]) -> ServerView:
    """Save a server after it has given a sign of life."""
    return ServerView.of(await application.fleet.add(data.draft(), probe=data.probe, request=attempt))


@get("/servers/{server_id:uuid}", **needs("vpn:read"), summary="Show a server")
async def show_server(application: App, server_id: FromPath[UUID]) -> ServerView:
    """Show a server."""
    return ServerView.of(await application.fleet.get(ServerId(server_id)))


@post("/servers/{server_id:uuid}/drain", **changes("vpn:write"), status_code=200, summary="Let a server drain")
async def drain_server(application: App, server_id: FromPath[UUID]) -> ServerView:
    """Let it serve the keys that it has and take no new ones."""
    return ServerView.of(await application.fleet.turn(ServerId(server_id), ServerStatus.DRAINING))


@post("/servers/{server_id:uuid}/enable", **changes("vpn:write"), status_code=200, summary="Enable a server")
async def enable_server(application: App, server_id: FromPath[UUID]) -> ServerView:
    """Let it take keys again."""
    return ServerView.of(await application.fleet.turn(ServerId(server_id), ServerStatus.ACTIVE))


@post("/servers/{server_id:uuid}/disable", **changes("vpn:write"), status_code=200, summary="Disable a server")
async def disable_server(application: App, server_id: FromPath[UUID]) -> ServerView:
    """Stop calling it."""
    return ServerView.of(await application.fleet.turn(ServerId(server_id), ServerStatus.DISABLED))


@post("/servers/{server_id:uuid}/resize", **changes("vpn:write"), status_code=200, summary="Resize a server")
async def resize_server(application: App, server_id: FromPath[UUID], data: JSONBody[NewSize]) -> ServerView:
    """Let it have another number of keys; those that it has stay, and orders that wait for a place get one."""
    return ServerView.of(await application.fleet.resize(ServerId(server_id), data.capacity))


@post("/servers/{server_id:uuid}/move", **changes("vpn:write"), status_code=202, summary="Move a server's keys")
async def move_server(application: App, server_id: FromPath[UUID]) -> ServerView:
    """Give each of its keys a replacement on another server; it takes no new ones any more."""
    return ServerView.of(await application.moving.ask(ServerId(server_id)))


@post("/servers/{server_id:uuid}/reconcile", **changes("vpn:write"), status_code=200, summary="Reconcile a server")
async def reconcile_server(
    application: App, server_id: FromPath[UUID], data: JSONBody[Reconcile | None] = None
) -> ReportView:
    """Compare a server with what we want of it, and have mended what differs unless it is a dry run."""
    dry_run = data.dry_run if data else False
    return ReportView.of(await application.provisioning.reconcile(ServerId(server_id), dry_run=dry_run))


@get("/status", **needs("vpn:read"), summary="Probe the servers")
async def show_status(application: App) -> Page[HealthView]:
    """Probe all servers in use side by side; the answer is kept for some seconds, and all on one page."""
    return Page(items=[HealthView.of(health) for health in await application.fleet.status()])


HANDLERS = [
    *(list_servers, add_server, show_server, drain_server, enable_server, disable_server),
    *(resize_server, move_server, reconcile_server, show_status),
]
