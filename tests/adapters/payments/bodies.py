"""Stripe's webhooks as bodies, and their signatures."""

import copy
import json
from typing import Any
from uuid import UUID

from veilbot_core.ports.clock import Clock
from veilbot_runners.sandbox.stripe_webhooks import signature

ORDER = UUID("0190c6a1-0000-7000-8000-0000000000aa")
CREATED = 1_767_268_800

_SESSION = {
    "id": "cs_test_1",
    "object": "checkout.session",
    "amount_total": 499,
    "client_reference_id": str(ORDER),
    "currency": "usd",
    "metadata": {"order_id": str(ORDER)},
    "payment_intent": "pi_1",
    "payment_status": "paid",
    "status": "complete",
}
_REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 200,
    "charge": "ch_1",
    "currency": "usd",
    "metadata": {},
    "payment_intent": "pi_1",
    "status": "succeeded",
}
_DISPUTE = {
    "id": "du_1",
    "object": "dispute",
    "amount": 499,
    "charge": "ch_1",
    "currency": "usd",
    "metadata": {},
    "payment_intent": "pi_1",
    "status": "needs_response",
}


def an_event(kind: str = "checkout.session.completed", **changes: object) -> dict[str, Any]:
    """Return an event whose object is the usual one of its kind, with some fields changed."""
    usual = _SESSION if kind.startswith("checkout") else _DISPUTE if "dispute" in kind else _REFUND
    return {
        "id": "evt_1",
        "object": "event",
        "created": CREATED,
        "data": {"object": {**copy.deepcopy(usual), **changes}},
        "livemode": False,
        "type": kind,
    }


def without(thing: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in thing.items() if key != name}


def signed(secret: str, body: bytes | dict[str, Any], clock: Clock, *, ago: int = 0) -> tuple[bytes, dict[str, str]]:
    """Return the body and its headers."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    at = int(clock.now().timestamp()) - ago
    return raw, {"stripe-signature": signature(secret, raw.decode(), at)}
