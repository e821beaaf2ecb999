"""Who signed this: the authenticity of Stripe's webhooks."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from stripe import WebhookSignature
from tests.adapters.payments.bodies import an_event, signed
from tests.adapters.payments.served import gateway_to

from veilbot_adapters.memory import MemoryClock
from veilbot_adapters.payments.stripe import StripeGateway
from veilbot_core.domain.errors import InvalidSignature, MalformedEvent
from veilbot_runners.sandbox.stripe_webhooks import signature

OLD, NEW = "whsec_old", "whsec_new"
BODY = json.dumps(an_event()).encode()


@pytest.fixture(scope="module")
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture(scope="module")
async def gateway(clock: MemoryClock) -> AsyncIterator[StripeGateway]:
    async with gateway_to(None, clock=clock, secrets=(OLD, NEW)) as gateway:
        yield gateway


@pytest.fixture
def now(clock: MemoryClock) -> int:
    return int(clock.now().timestamp())


def refused(gateway: StripeGateway, body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidSignature):
        gateway.parse_webhook(body, headers)


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_both_secrets_count_while_they_rotate(gateway: StripeGateway, clock: MemoryClock, secret: str) -> None:
    assert gateway.parse_webhook(*signed(secret, BODY, clock)) is not None


def test_one_good_signature_among_several_is_enough(gateway: StripeGateway, now: int) -> None:
    good = signature(NEW, BODY.decode(), now).partition(",")[2]
    header = f"t={now},v1={'0' * 64},{good},v0={'1' * 64}"
    assert gateway.parse_webhook(BODY, {"stripe-signature": header}) is not None


def test_the_sdk_signs_the_same(now: int) -> None:
    assert WebhookSignature.generate_signature_header(BODY.decode(), OLD, now) == signature(OLD, BODY.decode(), now)


@pytest.mark.parametrize("ago", [0, 299, 300, -299, -300])
def test_five_minutes_either_way_are_fresh(gateway: StripeGateway, clock: MemoryClock, ago: int) -> None:
    assert gateway.parse_webhook(*signed(OLD, BODY, clock, ago=ago)) is not None


@pytest.mark.parametrize("ago", [301, 3600, -301, -3600, 10**9])
def test_older_or_from_the_future_is_refused(gateway: StripeGateway, clock: MemoryClock, ago: int) -> None:
    refused(gateway, *signed(OLD, BODY, clock, ago=ago))


def test_another_secret_is_refused(gateway: StripeGateway, clock: MemoryClock) -> None:
    refused(gateway, *signed("whsec_third", BODY, clock))
    refused(gateway, *signed("", BODY, clock))


def test_a_body_that_was_written_anew_is_refused(gateway: StripeGateway, clock: MemoryClock) -> None:
    _, headers = signed(OLD, BODY, clock)
    refused(gateway, json.dumps(json.loads(BODY), indent=2).encode(), headers)
    refused(gateway, json.dumps(json.loads(BODY), sort_keys=True).encode(), headers)
    refused(gateway, BODY + b"\n", headers)
    refused(gateway, BODY[:-1], headers)
    refused(gateway, b"", headers)


def test_an_old_signature_under_a_new_time_is_refused(gateway: StripeGateway, now: int) -> None:
    stale = signature(OLD, BODY.decode(), now - 4000).partition(",")[2]
    refused(gateway, BODY, {"stripe-signature": f"t={now},{stale}"})
    refused(gateway, BODY, {"stripe-signature": f"t={now},{stale},t={now - 4000}"})


def header_makers() -> list[Any]:
    return [
        "",
        "nonsense",
        "t={now}",
        "v1={good}",
        "t=,v1={good}",
        "t=now,v1={good}",
        "t=-{now},v1={good}",
        "t={now}.5,v1={good}",
        "t=1e9,v1={good}",
        "t={now},v0={good}",
        "t={now},v1=",
        "t={now},v1",
        "t={now};v1={good}",
        "T={now},V1={good}",
        "t=" + "9" * 5000 + ",v1={good}",
        "t={now},v1=\u00e9\u00e9",
        "t=\u0661\u0662,v1={good}",
        "t={now},v1=" + "0" * 100_000,
        ",,,,=,==,t={now}",
    ]


@pytest.mark.parametrize("header", header_makers())
def test_a_broken_header_is_refused(gateway: StripeGateway, now: int, header: str) -> None:
    good = signature(OLD, BODY.decode(), now).partition("v1=")[2]
    refused(gateway, BODY, {"stripe-signature": header.format(now=now, good=good)})


def test_no_header_is_refused(gateway: StripeGateway) -> None:
    refused(gateway, BODY, {})
    refused(gateway, b"", {})
    refused(gateway, b"\xff" * 10, {"content-type": "application/json"})


def test_what_is_not_text_was_not_signed(gateway: StripeGateway, now: int) -> None:
    refused(gateway, b"\xff\xfe{}", {"stripe-signature": signature(OLD, "{}", now)})


def test_ten_megabytes_are_refused_either_way(gateway: StripeGateway, clock: MemoryClock) -> None:
    body = b'{"type": "' + b"x" * 10_000_000 + b'"}'
    with pytest.raises(MalformedEvent):
        gateway.parse_webhook(*signed(OLD, body, clock))
    refused(gateway, body, signed(OLD, BODY, clock)[1])
