"""Logs: no canary is ever found in them."""

import io
import json
import logging

import pytest
import structlog

from veilbot_runners import logs

SECRETS = {
    "bot token": "7212345678:AAHk9d8s7f6g5h4j3k2l1m0n9b8v7c6x5z4",
    "stripe key": "sk_test_51CanaryCanaryCanary",
    "webhook secret": "whsec_canarycanarycanary",
    "api key": "vb_CanaryCanaryCanaryCanary",
    "access url": "ss://Y2FuYXJ5OmNhbmFyeQ@203.0.113.1:443/?outline=1",
    "vless url": "vless://canary-uuid@203.0.113.1:443?security=reality",
    "signature": "v1=" + "c0ffee" * 10,
    "known value": "hand-made-canary",
}


@pytest.fixture
def written(kept_logs: None) -> io.StringIO:  # noqa: ARG001
    stream = io.StringIO()
    logs.configure("debug", secrets=[SECRETS["known value"]], stream=stream)
    return stream


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_masked_wherever_it_stands(written: io.StringIO, secret: str) -> None:
    log = structlog.get_logger("shop")
    event = f"in the event {secret}"
    log.info(event, value=secret, deep={"list": [secret]}, error=ValueError(secret))
    logging.getLogger("library").warning("from a library: %s", secret)
    try:
        int(secret)
    except ValueError:
        log.exception("failed")
    with structlog.contextvars.bound_contextvars(bound=secret):
        log.warning("bound")
    text = written.getvalue()
    assert len(text.splitlines()) == 4
    assert secret not in text
    assert "***" in text


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/s/CanaryCanaryCanary1",
        "https://203.0.113.7:8443/CanaryCanaryCanary1/access-keys/",
        "https://shop.example/a?key=CanaryCanaryCanary1",
        "postgresql+asyncpg://shop:CanaryCanaryCanary1@db/shop",
        "Authorization: Bearer CanaryCanaryCanary1",
    ],
)
def test_the_secret_part_of_an_address_is_masked(written: io.StringIO, text: str) -> None:
    structlog.get_logger("shop").info(text)
    assert "CanaryCanaryCanary1" not in written.getvalue()


def test_outside_a_terminal_each_line_is_json_with_its_context(written: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request="r1", order="o1", user="u1"):
        structlog.get_logger("shop").info("paid", amount=499)
    line = json.loads(written.getvalue())
    assert line["event"] == "paid"
    assert (line["request"], line["order"], line["user"], line["amount"]) == ("r1", "o1", "u1", 499)
    assert line["timestamp"].endswith("Z")


@pytest.mark.usefixtures("kept_logs")
def test_on_a_terminal_it_is_made_for_reading() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    logs.configure("info", stream=stream)
    structlog.get_logger("shop").info("paid", amount=499)
    assert "paid" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
