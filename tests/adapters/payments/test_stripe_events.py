"""What Stripe's events say, and what they fail to say."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.payments.bodies import CREATED, ORDER, an_event, signed, without
from tests.adapters.payments.served import WEBHOOK_SECRET, gateway_to

from veilbot_adapters.memory import MemoryClock
from veilbot_adapters.payments.stripe import StripeGateway
from veilbot_adapters.payments.stripe_events import read_event
from veilbot_core.domain.errors import MalformedEvent
from veilbot_core.domain.money import Money
from veilbot_core.domain.payment import Happening, PaymentEvent, Provider

ASYNC = "checkout.session.async_payment_"
FIVE = Money(amount=499, currency="USD")
TWO = Money(amount=200, currency="USD")


def read(event: object) -> PaymentEvent | None:
    return read_event(json.dumps(event), live=False)


class TestWhatTheySay:
    @pytest.mark.parametrize(
        ("kind", "changes", "happening", "external_id", "charge_id", "money"),
        [
            ("checkout.session.completed", {}, Happening.CHARGED, "pi_1", None, FIVE),
            ("checkout.session.completed", {"payment_intent": None}, Happening.CHARGED, "cs_test_1", None, FIVE),
            (ASYNC + "succeeded", {}, Happening.CHARGED, "pi_1", None, FIVE),
            (ASYNC + "failed", {"payment_status": "unpaid"}, Happening.FAILED, "cs_test_1", None, None),
            ("checkout.session.expired", {"payment_status": "unpaid"}, Happening.EXPIRED, "cs_test_1", None, None),
            ("refund.created", {}, Happening.REFUNDED, "re_1", "pi_1", TWO),
            ("refund.updated", {}, Happening.REFUNDED, "re_1", "pi_1", TWO),
            ("charge.refund.updated", {"payment_intent": None}, Happening.REFUNDED, "re_1", "ch_1", TWO),
            ("refund.failed", {"status": "failed"}, Happening.REFUND_FAILED, "re_1", "pi_1", TWO),
            ("refund.updated", {"status": "failed"}, Happening.REFUND_FAILED, "re_1", "pi_1", TWO),
            ("refund.updated", {"status": "canceled"}, Happening.REFUND_FAILED, "re_1", "pi_1", TWO),
            ("charge.dispute.created", {}, Happening.DISPUTED, "du_1", "pi_1", FIVE),
            ("charge.dispute.closed", {"status": "won"}, Happening.DISPUTE_WON, "du_1", "pi_1", FIVE),
            ("charge.dispute.created", {"status": "warning_needs_response"}, Happening.INQUIRY, "du_1", "pi_1", FIVE),
            ("charge.dispute.created", {"status": "warning_under_review"}, Happening.INQUIRY, "du_1", "pi_1", FIVE),
            ("charge.dispute.funds_withdrawn", {}, Happening.DISPUTED, "du_1", "pi_1", FIVE),
            ("charge.dispute.closed", {"status": "lost"}, Happening.DISPUTE_LOST, "du_1", "pi_1", FIVE),
        ],
    )
    def test_each_kind(
        self,
        kind: str,
        changes: dict[str, Any],
        happening: Happening,
        external_id: str,
        charge_id: str | None,
        money: Money | None,
    ) -> None:
        assert read(an_event(kind, **changes)) == PaymentEvent(
            provider=Provider.STRIPE,
            event_id="evt_1",
            happening=happening,
            order_id=ORDER if kind.startswith("checkout") else None,  # type: ignore[arg-type]
            external_id=external_id,
            charge_id=charge_id,
            money=money,
            at=datetime.fromtimestamp(CREATED, UTC),
        )

    @pytest.mark.parametrize(
        ("kind", "changes"),
        [
            ("checkout.session.completed", {"payment_status": "unpaid"}),
            ("checkout.session.completed", {"payment_status": "no_payment_required"}),
            ("refund.created", {"status": "pending"}),
            ("refund.updated", {"status": "requires_action"}),
            ("refund.updated", {"status": None}),
            ("charge.dispute.closed", {"status": "warning_closed"}),
            ("payment_intent.succeeded", {}),
            ("charge.refunded", {}),
            ("a.kind.that.is.not.yet", {}),
        ],
    )
    def test_what_is_of_no_concern(self, kind: str, changes: dict[str, Any]) -> None:
        assert read(an_event(kind, **changes)) is None

    @pytest.mark.parametrize("status", ["needs_response", "settled_by_a_coin"])
    def test_a_dispute_that_ended_nobody_knows_how_is_open_and_for_a_person(self, status: str) -> None:
        event = read(an_event("charge.dispute.closed", status=status))
        assert event is not None
        assert event.happening is Happening.DISPUTED
        assert event.doubt

    @pytest.mark.parametrize("amount", [0, 1, 498, 500, 10**15])
    @pytest.mark.parametrize("currency", ["usd", "eur", "jpy", "kwd"])
    def test_money_is_passed_on_as_it_is(self, amount: int, currency: str) -> None:
        event = read(an_event(amount_total=amount, currency=currency))
        assert event is not None
        assert event.money == Money(amount=amount, currency=currency.upper())

    @pytest.mark.parametrize(
        ("reference", "metadata", "found"),
        [
            (None, {"order_id": str(ORDER)}, True),
            (None, {}, False),
            (None, None, False),
            ("", {}, False),
            ("somebody else's", {"order_id": str(ORDER)}, False),
            (str(ORDER), {"order_id": "not this"}, True),
        ],
    )
    def test_the_order_is_found_or_the_core_holds_the_money(
        self,
        reference: str | None,
        metadata: dict[str, str] | None,
        found: bool,  # noqa: FBT001
    ) -> None:
        event = read(an_event(client_reference_id=reference, metadata=metadata))
        assert event is not None
        assert event.order_id == (ORDER if found else None)


WHOLE = json.dumps(an_event())
TEXTS = [
    *("", " ", "nothing", "{", "{}", "[]", "null", "true", "7", '"text"', "\ufeff" + WHOLE, WHOLE + WHOLE),
    *("[" * 100_000, '{"a":' * 100_000, WHOLE[:-1], WHOLE.replace('"paid"', "paid"), "9" * 10_000),
    *(WHOLE.replace("499", number) for number in ("NaN", "Infinity", "-Infinity", "1e999", "0x1F3", "9" * 5000)),
    WHOLE.replace('"id": "evt_1"', '"id": "evt_0", "id": "evt_1"'),
    WHOLE.replace('"amount_total": 499', '"amount_total": 1, "amount_total": 499'),
    json.dumps({**an_event(), "filler": "x" * (1 << 20)}),
]
ENVELOPES: dict[str, list[Any]] = {
    "livemode": [None, 0, "false", []],
    "id": [None, 1, "", "evt 1", "evt\n1", "\ud800", "x" * 256, ["evt_1"], {}],
    "type": [None, 1, [], {}, True],
    "data": [None, [], "x", {}, {"object": None}, {"object": []}],
    "created": [None, "1", 1.5, -1, 10**18, 1 << 39, True, []],
}
SESSIONS: dict[str, list[Any]] = {
    "amount_total": [None, "499", 4.99, -1, True, 10**15 + 1, 10**100, [499], {}],
    "currency": [None, "", "us", "usdx", 840, "\u00dfa", "u$d", "\u0455\u0455\u0455", []],
    "payment_status": [None, "", "PAID", 1, True, [], {}, "half"],
    "payment_intent": ["", 5, {}, {"id": "pi_1"}, "pi 1", "p" * 300],
    "client_reference_id": [5, [], {}, True],
}
CHANGED: list[tuple[str, dict[str, Any]]] = [
    ("checkout.session.completed", {"client_reference_id": None, "metadata": "x"}),
    ("checkout.session.completed", {"client_reference_id": None, "metadata": []}),
    ("checkout.session.completed", {"client_reference_id": None, "metadata": {"order_id": 5}}),
    ("checkout.session.completed", {"payment_intent": None, "id": None}),
    ("checkout.session.completed", {"currency": "ugx", "amount_total": 550}),
    ("checkout.session.expired", {"id": 5}),
    ("refund.created", {"amount": None}),
    ("refund.created", {"currency": None}),
    ("refund.created", {"id": None}),
    ("refund.created", {"status": 5}),
    ("refund.created", {"payment_intent": None, "charge": None}),
    ("charge.dispute.created", {"id": ""}),
    ("charge.dispute.closed", {"status": None}),
    ("charge.dispute.created", {"status": 5}),
    ("charge.dispute.closed", {"status": []}),
]


def malformed() -> list[str]:
    events = [
        *(without(an_event(), name) for name in ENVELOPES),
        *({**an_event(), name: value} for name, values in ENVELOPES.items() for value in values),
        *(an_event(**{name: value}) for name, values in SESSIONS.items() for value in values),
        *(an_event(kind, **changes) for kind, changes in CHANGED),
    ]
    return TEXTS + [json.dumps(event) for event in events]


class TestWhatTheyFailToSay:
    def test_there_are_many_ways(self) -> None:
        assert len(malformed()) >= 100

    @pytest.mark.parametrize("text", malformed(), ids=range(len(malformed())))
    def test_signed_nonsense_is_malformed_and_nothing_else(self, text: str) -> None:
        with pytest.raises(MalformedEvent):
            read_event(text, live=False)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(
    [
        "checkout.session.completed",
        ASYNC + "failed",
        "refund.updated",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
    ]
)


@pytest.fixture(scope="module")
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture(scope="module")
async def gateway(clock: MemoryClock) -> AsyncIterator[StripeGateway]:
    async with gateway_to(None, clock=clock) as gateway:
        yield gateway


class TestAnything:
    @settings(max_examples=150, deadline=None)
    @given(value=VALUES)
    def test_any_json_is_read_or_malformed(self, gateway: StripeGateway, clock: MemoryClock, value: object) -> None:
        self.understood_or_malformed(gateway, signed(WEBHOOK_SECRET, json.dumps(value).encode(), clock))

    @settings(max_examples=300, deadline=None)
    @given(kind=KINDS, data=st.data())
    def test_any_field_may_be_anything(
        self, gateway: StripeGateway, clock: MemoryClock, kind: str, data: st.DataObject
    ) -> None:
        event = an_event(kind)
        place = data.draw(st.sampled_from([event, event["data"]["object"]]))
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(VALUES)
        self.understood_or_malformed(gateway, signed(WEBHOOK_SECRET, event, clock))

    @settings(max_examples=150, deadline=None)
    @given(text=st.text())
    def test_any_text_is_malformed(self, gateway: StripeGateway, clock: MemoryClock, text: str) -> None:
        self.understood_or_malformed(gateway, signed(WEBHOOK_SECRET, text.encode(), clock))

    def understood_or_malformed(self, gateway: StripeGateway, webhook: tuple[bytes, dict[str, str]]) -> None:
        try:
            event = gateway.parse_webhook(*webhook)
        except MalformedEvent:
            return
        assert event is None or event.external_id
