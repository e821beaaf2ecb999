"""The gate before /api/v1: who asks, may they, how often, and has this been asked before."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from litestar import Request
from litestar.types import ASGIApp, Receive, Scope, Send

from veilbot_core.application import Application
from veilbot_core.domain.apikey import ApiKey
from veilbot_core.domain.errors import Forbidden, Unauthorized
from veilbot_core.domain.secret import digest
from veilbot_runners.api.address import Addresses
from veilbot_runners.api.idempotency import Once
from veilbot_runners.api.limits import Throttle

_KEPT_SECONDS = 1.0
_KEPT_KEYS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorkeeper:
    """Knows API keys, for at most a second without asking again."""

    application: Application
    addresses: Addresses
    throttle: Throttle
    _seen: dict[str, tuple[ApiKey, float]] = field(default_factory=dict)

    async def recognise(self, scope: Scope) -> ApiKey:
        """Return the key that the request carries.

        Raises:
            Unauthorized: the same for every reason.
            RateLimited: this address failed too often.
            Unavailable: a wrong key, and nobody can count it.
        """
        try:
            return await self._authenticate(_bearer(scope))
        except Unauthorized:
            await self.throttle.hit(f"failed:{self.addresses.of(scope)}", self.throttle.rate.failures, strict=True)
            raise

    async def _authenticate(self, secret: str) -> ApiKey:
        keys = self.application.api_keys
        name, now = digest(secret), keys.clock.monotonic()
        known = self._seen.get(name)
        if known is not None and now < known[1] and known[0].live(keys.clock.now()):
            return known[0]
        self._seen.pop(name, None)
        key = await keys.authenticate(secret)
        if len(self._seen) >= _KEPT_KEYS:
            self._seen.clear()
        self._seen[name] = (key, now + _KEPT_SECONDS)
        return key


class Gate:
    """Middleware of every authenticated route; each of them names its scope in ``opt``.

    The doorkeeper lies in the application's state: what is given to a router's middleware is copied deeply.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or raise what the error handlers answer with."""
        keeper: Doorkeeper = scope["litestar_app"].state.doorkeeper
        state = scope["state"]
        route = cast("Any", scope)["route_handler"]
        key = await keeper.recognise(scope)
        state["headers"] += await keeper.throttle.hit(f"key:{key.id}", keeper.throttle.rate.key)
        if scope.get("method") == "OPTIONS":  # Litestar answers itself, so there is no scope
            await self._app(scope, receive, send)
            return
        if not key.may(route.opt["scope"]):
            raise Forbidden(f"this key lacks the scope {route.opt['scope']}")
        scope["auth"] = scope["user"] = key
        given = _header(scope, b"idempotency-key") if scope.get("method") == "POST" else None
        if given is None:
            state["attempt"] = keeper.application.ids.new()
            await self._app(scope, receive, send)
            return
        body = await Request[Any, Any, Any](scope, receive).body()  # the handler finds it in the scope's state
        target = (
            f"{cast('Any', scope)['method']} {scope['path']}?{cast('Any', scope)['query_string'].decode('latin-1')}\n"
        )
        fingerprint = hashlib.sha256(target.encode() + body).hexdigest()

        async def act(request: UUID, keep: Send) -> None:
            state["attempt"] = request
            await self._app(scope, receive, keep)

        await Once(keeper.application.requests).answer(
            key.id, given, fingerprint, act, send, hide=route.opt.get("shown_once")
        )


def _bearer(scope: Scope) -> str:
    kind, _, secret = (_header(scope, b"authorization") or "").partition(" ")
    if kind.lower() != "bearer":
        raise Unauthorized
    return secret.strip()


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
