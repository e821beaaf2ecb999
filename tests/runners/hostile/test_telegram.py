"""Forged updates: whoever they claim to be from, nobody else's things are shown or changed, and nothing breaks."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.runners.hostile.conftest import TELEGRAM, Shop
from tests.runners.hostile.updates import MESSAGE, QUERY, broken, changed, forged, spoken_by

URL = "/webhooks/telegram"
HEADER = "X-Telegram-Bot-Api-Secret-Token"
ARRIVING = {"users", "events"}
"""What a stranger's first message changes."""


def others(rows: Mapping[str, Any]) -> dict[str, Any]:
    return {name: content for name, content in rows.items() if name not in ARRIVING}


def test_there_are_many() -> None:
    assert len(forged()) >= 250
    assert len(broken()) >= 20


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER: ""},
        {HEADER: "wrong"},
        {HEADER: TELEGRAM + "x"},
        {HEADER: TELEGRAM[:-1]},
        {HEADER: TELEGRAM.upper()},
        {HEADER + "-": TELEGRAM},
        {"Authorization": f"Bearer {TELEGRAM}"},
        {"X-Forwarded-For": "149.154.160.1", "User-Agent": "TelegramBot"},
    ],
    ids=range(9),
)
async def test_without_the_secret_nobody_is_heard(shop: Shop, headers: dict[str, str]) -> None:
    before = shop.rows()
    for body in [*forged()[::40], *broken()]:
        answer = await shop.post(URL, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert shop.rows() == before


async def test_what_is_no_update_is_refused_and_changes_nothing(shop: Shop) -> None:
    before = shop.rows()
    for body in broken():
        answer = await shop.post(URL, body, {HEADER: TELEGRAM})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input"), body[:80]
    answer = await shop.post(URL, b" " * (1 << 20) + b"{}", {HEADER: TELEGRAM})
    assert answer.status_code == 413
    assert shop.rows() == before


async def test_whatever_an_update_holds_nothing_breaks(shop: Shop) -> None:
    """Each is about a customer of its own: one who does so much would only be asked to slow down."""
    people = await shop.customers(len(forged()))
    before = others(shop.rows())
    for person, forgery in zip(people, forged(), strict=True):
        body = spoken_by(person, forgery)
        answer = await shop.post(URL, body, {HEADER: TELEGRAM})
        assert answer.status_code == 200, (body[:300], answer.text)
        said = answer.json()
        assert "went wrong on our side" not in str(said.get("text")), body[:300]
        assert said.get("chat_id", person) in {person, *ids(body)}
    assert others(shop.rows()) == before


def ids(body: bytes) -> set[Any]:
    """Return the sender, who is the only one that is answered."""
    update = json.loads(body)
    event = update.get("message") or update.get("callback_query") or {}
    sender = event.get("from")
    return {sender.get("id")} if isinstance(sender, dict) and isinstance(sender.get("id"), int) else set()


async def test_the_sender_is_who_is_served_whatever_the_chat_says(shop: Shop) -> None:
    """A private chat is its customer; a message from one into the chat of another is answered to neither."""
    number = 10**6
    for update in (
        {"message": changed(MESSAGE, "chat.id", 777)},
        {"callback_query": changed(QUERY, "message.chat.id", 777)},
    ):
        number += 1
        answer = await shop.post(URL, json.dumps({"update_id": number, **update}).encode(), {HEADER: TELEGRAM})
        assert answer.status_code == 200
        assert answer.json().get("chat_id") != 777
