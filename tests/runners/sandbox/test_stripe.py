"""The local Stripe keeps the real one's rules."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from tests.adapters.payments.served import SECRET_KEY, WEBHOOK_SECRET, ServedStripe, serve_stripe
from tests.waiting import PATIENCE

from veilbot_runners.sandbox.stripe import Delivery, StripeSandbox, Trouble
from veilbot_runners.sandbox.stripe_webhooks import signature

LINE = "line_items[0]"
FORM = {
    "mode": "payment",
    "client_reference_id": "order-1",
    "metadata[order_id]": "order-1",
    "payment_intent_data[metadata][order_id]": "order-1",
    f"{LINE}[quantity]": "1",
    f"{LINE}[price_data][currency]": "usd",
    f"{LINE}[price_data][unit_amount]": "499",
    f"{LINE}[price_data][product_data][name]": "A <b>month</b>",
    "success_url": "http://127.0.0.1:1/thanks?id={CHECKOUT_SESSION_ID}",
    "cancel_url": "http://127.0.0.1:1/back",
}


@pytest.fixture(scope="module")
async def once() -> AsyncIterator[ServedStripe]:
    async with serve_stripe() as served:
        yield served


@pytest.fixture
def served(once: ServedStripe) -> ServedStripe:
    once.heard.clear()
    once.answers.clear()
    return once


async def call(
    served: ServedStripe,
    method: str,
    path: str,
    form: Mapping[str, str] | None = None,
    *,
    key: str = SECRET_KEY,
    idempotency_key: str = "",
) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    if idempotency_key:
        headers["idempotency-key"] = idempotency_key
    sent = {"params": form} if method == "GET" else {"data": form}
    return await served.http.request(method, f"/sandbox/stripe/v1/{path}", headers=headers, **sent)  # type: ignore[arg-type]


async def a_session(served: ServedStripe) -> str:
    return str((await call(served, "POST", "checkout/sessions", FORM)).json()["id"])


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["type"]


class TestApi:
    @pytest.mark.parametrize("key", ["", "sk_test_wrong"])
    async def test_a_key_is_needed(self, served: ServedStripe, key: str) -> None:
        answer = await call(served, "GET", "events", key=key)
        assert error_of(answer) == (401, "invalid_request_error")
        assert key not in answer.text or not key

    async def test_a_session_is_read_again_and_listed(self, served: ServedStripe) -> None:
        made = (await call(served, "POST", "checkout/sessions", FORM)).json()
        assert (made["object"], made["amount_total"], made["status"]) == ("checkout.session", 499, "open")
        assert made["metadata"] == {"order_id": "order-1"}
        assert (await call(served, "GET", f"checkout/sessions/{made['id']}")).json() == made
        listed = (await call(served, "GET", "checkout/sessions", {"limit": "1"})).json()
        assert listed["data"] == [made]

    @pytest.mark.parametrize("seconds", [1700, 86500, -5])
    async def test_a_page_stays_half_an_hour_to_a_day(self, served: ServedStripe, seconds: int) -> None:
        form = {**FORM, "expires_at": str(int(time.time()) + seconds)}
        answer = await call(served, "POST", "checkout/sessions", form)
        assert error_of(answer) == (400, "invalid_request_error")
        assert answer.json()["error"]["param"] == "expires_at"

    @pytest.mark.parametrize(
        "changes",
        [
            {"mode": "subscription"},
            {"mode": ""},
            {"colour": "red"},
            {"success_url": "javascript:alert(1)"},
            {f"{LINE}[price_data][currency]": "dollars"},
            {f"{LINE}[price_data][unit_amount]": "4.99"},
            {f"{LINE}[price_data][unit_amount]": "-5"},
            {f"{LINE}[quantity]": "two"},
            {f"{LINE}[price_data][product_data][name]": ""},
            {f"{LINE}[price_data]": "x"},
            {"line_items": "x"},
            {"metadata[order_id]": "x" * 501},
            {"client_reference_id[a]": "b"},
            {"a]b[": "c"},
        ],
    )
    async def test_what_stripe_would_not_take(self, served: ServedStripe, changes: dict[str, str]) -> None:
        answer = await call(served, "POST", "checkout/sessions", {**FORM, **changes})
        assert error_of(answer) == (400, "invalid_request_error")

    @pytest.mark.parametrize("path", ["checkout/sessions/cs_none", "payment_intents/pi_none", "refunds/re_none", "x/y"])
    async def test_what_is_not_there(self, served: ServedStripe, path: str) -> None:
        assert error_of(await call(served, "GET", path)) == (404, "invalid_request_error")

    async def test_a_key_gives_the_first_answer_again(self, served: ServedStripe) -> None:
        first = await call(served, "POST", "checkout/sessions", FORM, idempotency_key="one")
        again = await call(served, "POST", "checkout/sessions", FORM, idempotency_key="one")
        assert first.json() == again.json()
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        other = await call(served, "POST", "checkout/sessions", {**FORM, "locale": "ru"}, idempotency_key="one")
        assert error_of(other) == (400, "idempotency_error")

    async def test_a_refusal_is_not_remembered(self, served: ServedStripe) -> None:
        await call(served, "POST", "checkout/sessions", {"mode": "x"}, idempotency_key="two")
        assert (await call(served, "POST", "checkout/sessions", FORM, idempotency_key="two")).status_code == 200

    async def test_events_are_listed_newest_first_and_page_by_page(self, served: ServedStripe) -> None:
        for _ in range(3):
            await served.act(f"/sessions/{await a_session(served)}/pay", webhook="drop")
        newest = (await call(served, "GET", "events", {"limit": "2"})).json()
        assert newest["has_more"] is True
        after = newest["data"][-1]["id"]
        older = (await call(served, "GET", "events", {"limit": "1", "starting_after": after})).json()
        ids = [event["id"] for event in newest["data"] + older["data"]]
        assert ids == list(served.sandbox.books.events)[:-4:-1]
        future = (await call(served, "GET", "events", {"created[gte]": str(int(time.time()) + 3600)})).json()
        assert future["data"] == []
        assert (await call(served, "GET", f"events/{after}")).json() == newest["data"][-1]

    async def test_a_refund_is_made_and_found(self, served: ServedStripe) -> None:
        intent = (await served.act(f"/sessions/{await a_session(served)}/pay"))["payment_intent"]
        form = {"payment_intent": intent, "amount": "100"}
        made = (await call(served, "POST", "refunds", form)).json()
        assert (await call(served, "GET", "refunds", {"payment_intent": intent})).json()["data"] == [made]
        assert (await call(served, "GET", f"refunds/{made['id']}")).json() == made
        assert error_of(await call(served, "POST", "refunds", {**form, "amount": "400"})) == (
            400,
            "invalid_request_error",
        )
        await call(served, "POST", "refunds", {"payment_intent": intent})
        spent = await call(served, "POST", "refunds", form)
        assert spent.json()["error"]["code"] == "charge_already_refunded"
        assert (await call(served, "GET", f"payment_intents/{intent}")).json()["amount_received"] == 499

    async def test_a_session_can_be_closed_through_the_api(self, served: ServedStripe) -> None:
        session = await a_session(served)
        closed = (await call(served, "POST", f"checkout/sessions/{session}/expire")).json()
        assert (closed["status"], closed["url"]) == ("expired", None)
        assert json.loads((await served.told(1))[0][0])["type"] == "checkout.session.expired"


class TestWebhooks:
    async def test_a_payment_is_told_signed(self, served: ServedStripe) -> None:
        session = await a_session(served)
        answer = await served.act(f"/sessions/{session}/pay", amount=123)
        assert (answer["id"], answer["payment_status"], answer["webhook"]) == (session, "paid", {"status": 200})
        body, headers = served.heard[0]
        at = int(headers["stripe-signature"].split(",")[0][2:])
        assert headers["stripe-signature"] == signature(WEBHOOK_SECRET, body.decode(), at)
        assert abs(at - time.time()) < PATIENCE
        told = json.loads(body)["data"]["object"]
        assert (told["id"], told["amount_total"], told["client_reference_id"]) == (session, 123, "order-1")

    async def test_it_is_sent_again_until_it_is_taken(self, served: ServedStripe) -> None:
        served.answers.extend([500, 503, 302, 404])
        answer = await served.act(f"/sessions/{await a_session(served)}/pay")
        assert answer["webhook"] == {"status": 500}
        bodies = {body for body, _ in await served.told(5)}
        assert len(bodies) == 1

    async def test_nobody_listens(self, served: ServedStripe) -> None:
        url, served.sandbox.webhooks.url = served.sandbox.webhooks.url, "http://127.0.0.1:1/"
        answer = await served.act(f"/sessions/{await a_session(served)}/pay")
        assert answer["webhook"] == {"status": None}
        served.sandbox.webhooks.url = url
        await served.told(1)

    @pytest.mark.parametrize(("how", "at_once"), [(Delivery.DROP, 0), (Delivery.TWICE, 2), (Delivery.LATE, 0)])
    async def test_the_ways_of_the_wire(self, served: ServedStripe, how: Delivery, at_once: int) -> None:
        late, served.sandbox.late = served.sandbox.late, 3600.0
        await served.act(f"/sessions/{await a_session(served)}/pay", webhook=how)
        assert len(served.heard) == at_once
        served.sandbox.late = late
        if how is Delivery.LATE:
            await served.act(f"/sessions/{await a_session(served)}/pay", webhook=how)
            await served.told(1)

    async def test_a_dispute_is_opened_and_closed(self, served: ServedStripe) -> None:
        intent = (await served.act(f"/sessions/{await a_session(served)}/pay"))["payment_intent"]
        dispute = await served.act(f"/charges/{intent}/dispute")
        await served.act(f"/disputes/{dispute['id']}/close", status="lost")
        kinds = [json.loads(body)["type"] for body, _ in served.heard]
        told = [f"charge.dispute.{what}" for what in ("created", "funds_withdrawn", "closed")]
        assert kinds == ["checkout.session.completed", *told]


class TestScripts:
    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/sessions/cs_none/pay", "", 404),
            ("/sessions/cs_none/expire", "", 404),
            ("/charges/pi_none/dispute", "", 404),
            ("/disputes/du_none/close", '{"status": "won"}', 404),
            ("/sessions/{open}/settle", "", 409),
            ("/sessions/{open}/pay", "{", 400),
            ("/sessions/{open}/pay", "[]", 400),
            ("/sessions/{open}/pay", '{"webhook": "pigeon"}', 400),
            ("/sessions/{open}/pay", '{"webhook": []}', 400),
            ("/sessions/{open}/pay", '{"amount": "5"}', 400),
            ("/sessions/{open}/pay", '{"amount": -5}', 400),
            ("/sessions/{open}/pay", '{"delayed": 1}', 400),
            ("/sessions/{open}/pay", '{"tip": 1}', 400),
            ("/troubles", '{"next": ["war"]}', 400),
            ("/troubles", '{"next": [[]]}', 400),
        ],
    )
    async def test_bad_wishes_get_one_clear_error(
        self, served: ServedStripe, path: str, body: str, status: int
    ) -> None:
        session = await a_session(served)
        answer = await served.http.post(f"/sandbox/stripe{path.replace('{open}', session)}", content=body)
        assert answer.status_code == status
        assert answer.json()["error"]["message"]
        assert served.sandbox.books.session(session).status == "open"

    async def test_what_is_paid_cannot_be_paid_again(self, served: ServedStripe) -> None:
        session = await a_session(served)
        await served.act(f"/sessions/{session}/pay")
        assert (await served.http.post(f"/sandbox/stripe/sessions/{session}/pay")).status_code == 409

    async def test_sessions_are_listed_with_their_pages(self, served: ServedStripe) -> None:
        session = await a_session(served)
        shown = (await served.http.get("/sandbox/stripe/sessions")).json()["items"][0]
        assert (shown["id"], shown["url"]) == (session, f"{served.url}/sandbox/stripe/pay/{session}")

    async def test_trouble_can_be_ordered(self, served: ServedStripe) -> None:
        await served.act("/troubles", next=["busy"])
        assert (await call(served, "GET", "events")).status_code == 429
        assert (await call(served, "GET", "events")).status_code == 200
        assert not served.sandbox.troubles
        assert Trouble.BUSY.value == "busy"


async def test_time_closes_a_page() -> None:
    moment = [1_000_000.0]
    async with StripeSandbox(
        "sk", "whsec", "http://127.0.0.1:1/", "http://127.0.0.1:1", now=lambda: moment[0]
    ) as sandbox:
        form: dict[str, Any] = {
            "mode": "payment",
            "line_items": {"0": {"price_data": {"currency": "usd", "unit_amount": "1", "product_data": {"name": "x"}}}},
            "success_url": "http://a",
            "cancel_url": "http://a",
        }
        session = sandbox.books.open(form)
        assert sandbox.books.expire_due() == []
        moment[0] += 86400
        (event,) = sandbox.books.expire_due()
        assert json.loads(event)["data"]["object"]["id"] == session.id
        assert session.status == "expired"
