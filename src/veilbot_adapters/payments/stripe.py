"""Stripe: Checkout pages, signed webhooks, refunds (docs.stripe.com/api, API 2026-10-28)."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any, TypeVar

import httpx
import stripe
from stripe import RequestOptions, SignatureVerificationError, WebhookSignature

from veilbot_adapters.payments import stripe_events as events
from veilbot_adapters.payments.stripe_errors import translated
from veilbot_adapters.payments.stripe_money import to_stripe
from veilbot_adapters.resilience import Effect, Guard
from veilbot_core.domain.errors import InvalidInput, InvalidSignature, Rejected
from veilbot_core.domain.money import Money
from veilbot_core.domain.order import Order
from veilbot_core.domain.payment import PaymentEvent
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.payments import OpenCheckout, PaymentGateway, Told

T = TypeVar("T")

TOLERANCE = 300
"""Seconds that a webhook's timestamp may lie in the past or in the future."""
SHORTEST = timedelta(minutes=35)
LONGEST = timedelta(hours=23, minutes=55)
"""Stripe keeps a checkout open for 30 minutes to 24 hours; five minutes are left for clocks and retries."""
_LIVE = re.compile(r"[sr]k_(org_)?live_")
"""How keys begin that move real money (docs.stripe.com/keys)."""
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
"""A net below the guard's timeout, which is shorter."""

# Its DEBUG lines are whole requests and answers, with customers' addresses and payment links in them.
logging.getLogger("stripe").setLevel(logging.WARNING)


class _Http(stripe.HTTPXClient):
    """The SDK's client, which hands an encoded body to httpx in a way that httpx is giving up (``data=``)."""

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None
    ) -> tuple[tuple[str, str], dict[str, Any]]:
        return (method, url), {"headers": headers, "content": post_data, "timeout": self._timeout}


class StripeGateway(PaymentGateway):
    """Takes money through Stripe Checkout.

    Every mutating call has an idempotency key and a body that are functions of the order alone, so a repeated call is
    the same call (docs.stripe.com/api/idempotent_requests: Stripe remembers keys for at least 24 hours).
    """

    def __init__(
        self,
        secret_key: str,
        webhook_secrets: Sequence[str],
        guard: Guard,
        clock: Clock,
        *,
        api_base: str | None,
        success_url: str,
        cancel_url: str,
    ) -> None:
        """Connect nothing yet.

        Args:
            secret_key: of the Stripe account.
            webhook_secrets: of the endpoint; more than one while they rotate.
            guard: every call goes through it.
            clock: judges the age of webhooks.
            api_base: another address than Stripe's, for the sandbox.
            success_url: where Stripe sends the customer after paying; Stripe fills in ``{CHECKOUT_SESSION_ID}``.
            cancel_url: where Stripe sends the customer who turns back.

        Raises:
            InvalidInput: a key or secret is missing; an event that nobody can verify must never be read.
        """
        if not secret_key.strip():
            raise InvalidInput("Stripe needs a secret key", field="secret_key")
        if isinstance(webhook_secrets, str) or not webhook_secrets or not all(s.strip() for s in webhook_secrets):
            raise InvalidInput(
                "Stripe needs at least one webhook secret, and none may be empty", field="webhook_secret"
            )
        self._live = _LIVE.match(secret_key.strip()) is not None
        self._secrets = tuple(webhook_secrets)
        self._guard = guard
        self._clock = clock
        self._success_url = success_url
        self._cancel_url = cancel_url
        self._http = _Http(timeout=_TIMEOUT, allow_sync_methods=False)
        self._client = stripe.StripeClient(
            secret_key.strip(),
            base_addresses={"api": api_base.rstrip("/")} if api_base else {},
            http_client=self._http,
            max_network_retries=0,  # the guard retries
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close_async()  # type: ignore[no-untyped-call] # the SDK forgot

    async def open_checkout(self, order: Order) -> OpenCheckout:
        """Make the page that takes exactly the order's price and dies with the order.

        Stripe keeps no page for less than half an hour: that of a shorter order outlives it.
        """
        amount = to_stripe(order.price)
        metadata = {"order_id": str(order.id)}
        options: RequestOptions = {"idempotency_key": f"order-{order.id}-checkout"}

        async def create() -> stripe.checkout.Session:
            return await self._client.v1.checkout.sessions.create_async(
                {
                    "mode": "payment",
                    "client_reference_id": str(order.id),
                    "metadata": metadata,
                    "payment_intent_data": {"metadata": metadata},
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": order.price.currency.lower(),
                                "unit_amount": amount,
                                "product_data": {"name": order.terms.name},
                            },
                        }
                    ],
                    "expires_at": int(closes_at(order).timestamp()),
                    "success_url": self._success_url,
                    "cancel_url": self._cancel_url,
                },
                options,
            )

        session = await self._call(create, mutating=True)
        if not session.url:
            raise Rejected("Stripe's checkout for this order is closed already")
        return OpenCheckout(checkout_id=session.id, url=session.url)

    def parse_webhook(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent | None:
        """Verify the raw bytes, then read them; None for an authentic event that is of no concern."""
        return events.read_event(self._verified(body, headers.get("stripe-signature", "")), live=self._live)

    async def fetch(self, order: Order) -> PaymentEvent | None:
        """Ask what became of the order's checkout; None while it is open, or if we never heard of one.

        A checkout whose opening was lost needs no search: opening it again finds it by its idempotency key.
        """
        checkout_id = order.checkout_id
        if checkout_id is None:
            return None

        async def look() -> PaymentEvent | None:
            found = await self._client.v1.checkout.sessions.retrieve_async(checkout_id, {"expand": ["payment_intent"]})
            return events.looked_at(found.to_dict(), self._clock.now())

        return await self._call(look, mutating=False)

    async def told(self, since: datetime, until: datetime, *, after: str | None = None) -> Told:
        """List events by their creation, in whole seconds as Stripe counts them (docs.stripe.com/api/events/list)."""

        async def look() -> Told:
            page = await self._client.v1.events.list_async(
                {
                    "created": {"gte": int(since.timestamp()), "lt": ceil(until.timestamp())},
                    "types": list(events.KINDS),
                    "limit": 100,
                    **({"starting_after": after} if after else {}),
                }
            )
            return events.read_list([event.to_dict() for event in page.data], more=bool(page.has_more))

        return await self._call(look, mutating=False)

    async def refund(self, order: Order, charge_id: str, money: Money, *, attempt: str) -> PaymentEvent:
        """Send money back, once per charge, amount and attempt.

        A refund that is pending counts as done: Stripe has taken it from our balance. Stripe forgets idempotency keys
        after a day, so the charge's refunds are looked through first.
        """
        key = f"refund-{order.id}-{charge_id}-{money.amount}-{attempt}"
        refund = await self._refund_under(key, charge_id)
        if refund is None:
            refund = await self._send_back(key, order, charge_id, to_stripe(money))
        if events.undone(refund):
            raise Rejected("Stripe could not deliver this refund; the money is with us")
        with translated(mutating=True):
            stamp = events.Stamp(event_id=f"refund-{refund.get('id')}", at=self._clock.now())
            return events.refunded(refund, stamp)

    async def _refund_under(self, key: str, charge_id: str) -> events.Json | None:
        async def look() -> events.Json | None:
            known = await self._client.v1.refunds.list_async({"payment_intent": charge_id, "limit": 100})
            refunds = (refund.to_dict() for refund in known.data)
            return next((r for r in refunds if (r.get("metadata") or {}).get("refund_key") == key), None)

        return await self._call(look, mutating=False)

    async def _send_back(self, key: str, order: Order, charge_id: str, amount: int) -> events.Json:
        metadata = {"order_id": str(order.id), "refund_key": key}
        options: RequestOptions = {"idempotency_key": key}

        async def create() -> events.Json:
            refund = await self._client.v1.refunds.create_async(
                {"payment_intent": charge_id, "amount": amount, "metadata": metadata}, options
            )
            return refund.to_dict()

        return await self._call(create, mutating=True)

    async def _call(self, call: Callable[[], Awaitable[T]], *, mutating: bool) -> T:
        async def attempt() -> T:
            with translated(mutating=mutating):
                return await call()

        return await self._guard.call(attempt, Effect.REPEATABLE if mutating else Effect.NONE)

    def _verified(self, body: bytes, header: str) -> str:
        """Return the body as text if one of our secrets signed it just now.

        The SDK judges a timestamp by its own clock and only its past (stripe/_webhook.py), so we judge it ourselves.
        """
        stamp = _timestamp(header)
        if stamp is None or abs(stamp - int(self._clock.now().timestamp())) > TOLERANCE:
            raise InvalidSignature("the webhook's signature is missing, too old or from the future")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise InvalidSignature("the webhook is not text, which is all that Stripe signs") from None
        for secret in self._secrets:
            try:
                WebhookSignature.verify_header(text, header, secret, tolerance=None)
            except SignatureVerificationError:
                continue
            return text
        raise InvalidSignature


def closes_at(order: Order) -> datetime:
    """Return when the order's checkout closes: with the order, as far as Stripe allows; the same on every attempt."""
    return min(max(order.expires_at, order.created_at + SHORTEST), order.created_at + LONGEST)


def _timestamp(header: str) -> int | None:
    """Return the first ``t=`` of a signature header, as the SDK reads it; None if there is nothing to verify."""
    if not header.isascii() or len(header) > 4096:
        return None
    value = next((item[2:] for item in header.split(",") if item.startswith("t=")), "")
    return int(value) if value.isdigit() and len(value) <= 15 else None
