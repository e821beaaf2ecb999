"""Stripe's API as the SDK meets it: keys, idempotency, lists, errors (docs.stripe.com/api)."""

import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from veilbot_runners.sandbox.stripe_books import API_VERSION, StripeBooks
from veilbot_runners.sandbox.stripe_forms import Form, StripeRefusal, inner, missing, number, read_form, text
from veilbot_runners.sandbox.stripe_things import Shown

T = TypeVar("T")
_KEPT = 20_000
"""Idempotency keys that are remembered; Stripe remembers them for at least 24 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request; ``path`` is what follows ``/v1/``."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    key: str = ""
    """What follows ``Bearer`` in the authorization."""
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers and body of one answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class StripeApi:
    """Answers calls from the books; ``tell`` gets the events that a call makes."""

    def __init__(self, secret_key: str, books: StripeBooks, tell: Callable[[str], None]) -> None:
        self._secret_key = secret_key
        self._books = books
        self._tell = tell
        self._answers: OrderedDict[str, tuple[tuple[str, bytes], Answer]] = OrderedDict()
        self._handlers: Mapping[tuple[str, str], Callable[[list[str], Form], Shown | None]] = {
            ("POST", "sessions"): self._post_session,
            ("POST", "refunds"): self._post_refund,
            ("GET", "sessions"): self._get_session,
            ("GET", "refunds"): self._get_refund,
            ("GET", "payment_intents"): self._get_intent,
            ("GET", "events"): self._get_event,
        }

    def answer(self, call: Call) -> Answer:
        """Do what one request asks, or what it asked the first time."""
        headers = {"request-id": f"req_{secrets.token_hex(7)}", "stripe-version": API_VERSION}
        try:
            self._check_key(call)
            if call.method == "POST" and call.idempotency_key:
                headers["idempotency-key"] = call.idempotency_key
                return self._once(call, headers)
            return _answer(200, self._do(call), headers)
        except StripeRefusal as refusal:
            return _answer(refusal.status, refusal.body, headers)

    def forget(self) -> None:
        """Forget all idempotency keys, as Stripe does after a day."""
        self._answers.clear()

    def _once(self, call: Call, headers: Mapping[str, str]) -> Answer:
        if len(call.idempotency_key) > 255:
            raise StripeRefusal("Idempotency keys have up to 255 characters.")
        asked = (call.path, call.body)
        known = self._answers.get(call.idempotency_key)
        if known is None:  # a refusal is not remembered: nothing was done
            answer = _answer(200, self._do(call), headers)
            self._answers[call.idempotency_key] = (asked, answer)
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
            return answer
        first_asked, answer = known
        if first_asked != asked:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{call.idempotency_key}' if you meant to execute a different request."
            )
            raise StripeRefusal(message, kind="idempotency_error")
        return Answer(status=answer.status, body=answer.body, headers={**answer.headers, "idempotent-replayed": "true"})

    def _check_key(self, call: Call) -> None:
        if not call.key:
            raise StripeRefusal("You did not provide an API key.", status=401)
        if not hmac.compare_digest(call.key.encode(), self._secret_key.encode()):
            raise StripeRefusal(f"Invalid API Key provided: {call.key[:8]}{'*' * 12}", status=401)

    def _do(self, call: Call) -> Shown:
        for event in self._books.expire_due():
            self._tell(event)
        try:
            encoded = call.body.decode() if call.method == "POST" else call.query
        except UnicodeDecodeError:
            raise StripeRefusal("The form is not UTF-8.") from None
        form = read_form(encoded)
        what, *path = call.path.strip("/").removeprefix("checkout/").split("/")
        handler = self._handlers.get((call.method, what))
        shown = handler(path, form) if handler else None
        if shown is None:
            raise StripeRefusal(f"Unrecognized request URL ({call.method}: /v1/{call.path[:80]}).", status=404)
        return shown

    def _post_session(self, path: list[str], form: Form) -> Shown | None:
        if not path:
            return self._books.open(form).shown()
        if path[1:] != ["expire"]:
            return None
        self._tell(self._books.expire(path[0]))
        return self._books.session(path[0]).shown()

    def _post_refund(self, path: list[str], form: Form) -> Shown | None:
        if path:
            return None
        refund, event = self._books.refund(form)
        self._tell(event)
        return refund.shown()

    def _get_session(self, path: list[str], form: Form) -> Shown | None:
        if path:
            return self._one_session(path[0], form) if len(path) == 1 else None
        intent = text(form, "payment_intent", "")
        sessions = reversed(self._books.sessions.values())
        return _page("/v1/checkout/sessions", (s.shown() for s in sessions if intent in {"", s.intent_id}), form)

    def _one_session(self, session_id: str, form: Form) -> Shown:
        """Show a session, with its payment intent in full where that is asked for."""
        shown, intent = self._books.session(session_id).shown(), self._books.session(session_id).intent_id
        if intent is not None and "payment_intent" in inner(form, "expand").values():
            return shown | {"payment_intent": self._books.intents[intent].shown()}
        return shown

    def _get_refund(self, path: list[str], form: Form) -> Shown | None:
        if path:
            return _found(self._books.refunds, "refund", path).shown()
        intent = text(form, "payment_intent", "")
        if intent and intent not in self._books.intents:
            raise StripeRefusal(f"No such payment_intent: '{intent}'", param="payment_intent", code="resource_missing")
        refunds = reversed(self._books.refunds.values())
        return _page("/v1/refunds", (r.shown() for r in refunds if intent in {"", r.intent_id}), form)

    def _get_intent(self, path: list[str], _: Form) -> Shown | None:
        return _found(self._books.intents, "payment_intent", path).shown() if path else None

    def _get_event(self, path: list[str], form: Form) -> Shown | None:
        if not path:
            return _page("/v1/events", self._books.told(form), form)
        shown: Shown = json.loads(_found(self._books.events, "event", path))
        return shown


def _found(things: Mapping[str, T], what: str, path: list[str]) -> T:
    thing = things.get("/".join(path))
    if thing is None:
        raise missing(what, "/".join(path))
    return thing


def _page(url: str, things: Iterable[Shown], form: Form) -> Shown:
    """Show one page of a list that is sorted newest first."""
    limit, after = number(form, "limit", 10), text(form, "starting_after", "")
    if not 1 <= limit <= 100:
        raise StripeRefusal("Invalid limit: it is 1 to 100.", param="limit")
    rest = iter(things)
    if after and not any(thing["id"] == after for thing in rest):
        raise missing("object", after)
    page = list(islice(rest, limit + 1))
    return {"object": "list", "data": page[:limit], "has_more": len(page) > limit, "url": url}


def _answer(status: int, body: object, headers: Mapping[str, str]) -> Answer:
    return Answer(status=status, body=json.dumps(body, indent=2).encode(), headers=headers)
