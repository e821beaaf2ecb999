"""A local Stripe: its API under ``/sandbox/stripe/v1``, a page where a customer pays, signed webhooks.

Scripts play the customer and the bank over plain HTTP: see the handlers. Nothing of it reaches the network beyond
``webhook_url``, and the card form takes no real card.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send

from veilbot_runners.sandbox import stripe_pages as pages
from veilbot_runners.sandbox.stripe_api import Answer, Call
from veilbot_runners.sandbox.stripe_forms import StripeRefusal, read_form
from veilbot_runners.sandbox.stripe_world import (
    PREFIX,
    Delivery,
    Payment,
    StripeSandbox,
    Trouble,
    read_delivery,
    read_payment,
)

__all__ = ["Delivery", "Payment", "StripeSandbox", "Trouble", "stripe_router"]

Sandbox = NamedDependency[StripeSandbox]
Asked = Request[Any, Any, Any]
Shown = dict[str, Any]

_REFUSED: Mapping[Trouble, Answer] = {
    Trouble.BUSY: Answer(
        status=429,
        headers={"retry-after": "1"},
        body=b'{"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "Too many requests."}}',
    ),
    Trouble.CONFLICT: Answer(
        status=409,
        body=b'{"error": {"type": "idempotency_error", "code": "idempotency_key_in_use", "message": "In use."}}',
    ),
    Trouble.BROKEN: Answer(status=500, body=b'{"error": {"type": "api_error", "message": "An error occurred."}}'),
}


def stripe_router(sandbox: StripeSandbox) -> Router:
    """Return the routes; the sandbox must be entered as an async context for as long as they are served."""
    return Router(
        path=PREFIX,
        route_handlers=[
            *(api_read, api_write, show_page, answer_page, list_sessions, pay, settle, expire, dispute, close_dispute),
            *(make_trouble, fail_refund),
        ],
        dependencies={"sandbox": Provide(lambda: sandbox, use_cache=True, sync_to_thread=False)},
        exception_handlers={StripeRefusal: _refused},
        include_in_schema=False,
        opt={"exclude_from_csrf": True},
    )


@get("/v1/{path:path}")
async def api_read(request: Asked, sandbox: Sandbox, path: FromPath[str]) -> ASGIApp:
    """Answer a reading call of the API."""
    return await _api(request, sandbox, path)


@post("/v1/{path:path}")
async def api_write(request: Asked, sandbox: Sandbox, path: FromPath[str]) -> ASGIApp:
    """Answer a writing call of the API."""
    return await _api(request, sandbox, path)


@get("/pay/{session_id:str}", media_type=MediaType.HTML)
async def show_page(sandbox: Sandbox, session_id: FromPath[str]) -> Response[str]:
    """Show the page where a customer pays."""
    session = sandbox.books.sessions.get(session_id)
    return pages.unknown() if session is None else pages.show(session)


@post("/pay/{session_id:str}", media_type=MediaType.HTML)
async def answer_page(request: Asked, sandbox: Sandbox, session_id: FromPath[str]) -> Response[str]:
    """Do what a customer chose on the page."""
    form = read_form((await request.body()).decode(errors="replace"))
    session = sandbox.books.sessions.get(session_id)
    if session is None:
        return pages.unknown()
    if session.status != "open":
        return pages.show(session)
    if form.get("action") == "cancel":
        return pages.leave(session.cancel_url, session.id)
    if form.get("action") == "decline" or pages.declines(str(form.get("card", ""))):
        return pages.show(session, declined=True)
    await sandbox.pay(session_id, Payment())
    return pages.leave(session.success_url, session.id)


@get("/sessions")
async def list_sessions(sandbox: Sandbox) -> Shown:
    """List the newest hundred checkouts."""
    newest = list(sandbox.books.sessions.values())[:-101:-1]
    return {"items": [{**session.shown(), "url": session.url, "product": session.product} for session in newest]}


@post("/sessions/{session_id:str}/pay", status_code=200)
async def pay(request: Asked, sandbox: Sandbox, session_id: FromPath[str]) -> Shown:
    """Pay a checkout."""
    return await sandbox.pay(session_id, read_payment(await _options(request)))


@post("/sessions/{session_id:str}/settle", status_code=200)
async def settle(request: Asked, sandbox: Sandbox, session_id: FromPath[str]) -> Shown:
    """Let delayed money arrive, or fail with ``{"succeeded": false}``."""
    succeeded = (await _options(request)).get("succeeded", True)
    return await sandbox.settle(session_id, succeeded=succeeded is True)


@post("/sessions/{session_id:str}/expire", status_code=200)
async def expire(request: Asked, sandbox: Sandbox, session_id: FromPath[str]) -> Shown:
    """Close a checkout unpaid."""
    return await sandbox.expire(session_id, read_delivery(await _options(request)))


@post("/refunds/{refund_id:str}/fail", status_code=200)
async def fail_refund(sandbox: Sandbox, refund_id: FromPath[str]) -> Shown:
    """Let money that went back not arrive."""
    return await sandbox.fail_refund(refund_id)


@post("/charges/{intent_id:str}/dispute", status_code=200)
async def dispute(sandbox: Sandbox, intent_id: FromPath[str]) -> Shown:
    """Let the bank claim a payment back."""
    return await sandbox.dispute(intent_id)


@post("/disputes/{dispute_id:str}/close", status_code=200)
async def close_dispute(request: Asked, sandbox: Sandbox, dispute_id: FromPath[str]) -> Shown:
    """End a dispute: ``{"status": "won"}`` or ``lost``."""
    return await sandbox.close_dispute(dispute_id, str((await _options(request)).get("status", "")))


@post("/troubles", status_code=200)
async def make_trouble(request: Asked, sandbox: Sandbox) -> Shown:
    """Let coming calls of the API go wrong: ``{"next": ["busy", "lost"]}``."""
    names = (await _options(request)).get("next")
    if not isinstance(names, list) or not all(name in list(Trouble) for name in names):
        raise StripeRefusal(f"next is a list of {', '.join(Trouble)}.", param="next")
    sandbox.troubles.extend(Trouble(name) for name in names)
    return {"next": list(sandbox.troubles)}


async def _api(request: Asked, sandbox: StripeSandbox, path: str) -> ASGIApp:
    trouble = sandbox.troubles.popleft() if sandbox.troubles else None
    if trouble is not None and trouble in _REFUSED:
        return _Sent(_REFUSED[trouble])
    answer = sandbox.api.answer(
        Call(
            method=request.method,
            path=path.strip("/"),
            query=request.scope["query_string"].decode("latin-1"),
            body=await request.body(),
            key=request.headers.get("authorization", "").removeprefix("Bearer ").strip(),
            idempotency_key=request.headers.get("idempotency-key", ""),
        )
    )
    if trouble is Trouble.SLOW:
        await asyncio.sleep(sandbox.slowness)
    if trouble is Trouble.NONSENSE:
        return _Sent(Answer(status=200, body=b"<html>It works!</html>"))
    return _Sent(answer, broken=trouble is Trouble.LOST)


class _Sent:
    """Sends an answer as it is; ``broken`` ends the connection before the body, as a broken proxy does."""

    def __init__(self, answer: Answer, *, broken: bool = False) -> None:
        self._answer = answer
        self._broken = broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Be an ASGI application for one answer."""
        headers = {
            "content-type": "application/json",
            "content-length": str(len(self._answer.body)),
            **self._answer.headers,
        }
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self._answer.status, "headers": encoded})
        if not self._broken:
            await send({"type": "http.response.body", "body": self._answer.body, "more_body": False})


async def _options(request: Asked) -> Shown:
    body = await request.body()
    try:
        given = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise StripeRefusal("The options are not JSON.") from None
    if not isinstance(given, dict):
        raise StripeRefusal("The options are not a JSON object.")
    return given


def _refused(_: Asked, refusal: StripeRefusal) -> Response[Shown]:
    return Response(refusal.body, status_code=refusal.status, media_type=MediaType.JSON)
