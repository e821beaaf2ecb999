"""The customer's side: what a person does in the page, over plain HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
from aiogram.types import LabeledPrice
from litestar import Litestar
from tests.runners.sandbox.telegram import Local, opened

from veilbot_runners.sandbox import pages
from veilbot_runners.sandbox.home import Place, home_page, render_home

PRICE = [LabeledPrice(label="30 days", amount=250)]


@pytest.fixture(scope="module")
async def local() -> AsyncIterator[Local]:
    async with opened() as local:
        yield local


async def test_the_first_message_makes_the_customer(local: Local) -> None:
    body = {"text": "/start ref_1", "name": "Анна Смирнова", "language_code": "ru"}
    item = await local.done("POST", "/chats/501/messages", body)
    assert (item["from"], item["text"]) == ("customer", "/start ref_1")
    (update,) = await local.bot.get_updates()
    assert update.message is not None
    assert update.message.from_user is not None
    assert (update.message.from_user.id, update.message.from_user.full_name) == (501, "Анна Смирнова")
    assert update.message.from_user.language_code == "ru"
    assert update.message.entities is not None
    assert update.message.entities[0].type == "bot_command"
    local.sandbox.updates.drop()


async def test_a_new_customer_gets_a_believable_name(local: Local) -> None:
    made = await local.done("POST", "/chats", {"language_code": "ru"})
    assert len(made["chat"]["name"].split()) == 2
    assert made["items"] == []
    assert made["chat"]["id"] in [chat["id"] for chat in (await local.done("GET", "/chats"))["items"]]


async def test_only_a_button_that_is_there_can_be_tapped(local: Local) -> None:
    chat = await local.customer()
    markup = '{"inline_keyboard":[[{"text":"x","callback_data":"real"}]]}'
    sent = (await local.call("sendMessage", chat_id=chat, text="x", reply_markup=markup)).json()["result"]
    path, real = f"/chats/{chat}/taps", {"message_id": sent["message_id"], "data": "real", "wait": 0.05}
    assert (await local.http.post(path, json=real | {"data": "forged"})).status_code == 409
    assert (await local.http.post(path, json=real | {"message_id": 10**6})).status_code == 404
    assert (await local.http.post("/chats/999999/taps", json=real)).status_code == 404
    assert await local.bot.get_updates() == []
    assert (await local.done("POST", path, real))["answered"] is False
    (update,) = await local.bot.get_updates()
    assert update.callback_query is not None
    assert await local.bot.answer_callback_query(update.callback_query.id, text="late")
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await local.bot.answer_callback_query(update.callback_query.id)
    local.sandbox.updates.drop()


async def test_who_has_blocked_the_bot_cannot_be_written_to_until_they_come_back(local: Local) -> None:
    chat = await local.customer()
    assert (await local.done("POST", f"/chats/{chat}/block")) == {"blocked": True}
    with pytest.raises(TelegramForbiddenError, match="Forbidden: bot was blocked by the user"):
        await local.bot.send_message(chat, "x")
    assert (await local.http.post(f"/chats/{chat}/messages", json={"text": "x"})).status_code == 409
    assert (await local.done("POST", f"/chats/{chat}/unblock")) == {"blocked": False}
    await local.bot.send_message(chat, "x")
    members = [u.my_chat_member.new_chat_member.status for u in await local.bot.get_updates() if u.my_chat_member]
    assert members == ["kicked", "member"]
    local.sandbox.updates.drop()


async def paying(local: Local, chat: int, body: object, **decision: Any) -> Any:
    async with asyncio.TaskGroup() as tasks:
        payment = tasks.create_task(local.done("POST", f"/chats/{chat}/pay", body))
        (update,) = await local.bot.get_updates(timeout=30)
        assert update.pre_checkout_query is not None
        assert update.pre_checkout_query.invoice_payload == "order-1"
        local.sandbox.updates.drop()
        await local.bot.answer_pre_checkout_query(update.pre_checkout_query.id, **decision)
    return payment.result()


async def test_stars_are_asked_for_paid_booked_and_given_back(local: Local) -> None:
    chat = await local.customer()
    invoice = await local.bot.send_invoice(chat, "VPN", "30 days", "order-1", "XTR", PRICE)
    assert invoice.invoice is not None
    refused = await paying(local, chat, {"message_id": invoice.message_id}, ok=False, error_message="Sold out")
    assert refused == {"paid": False, "error": "Sold out"}
    paid = await paying(local, chat, {"message_id": invoice.message_id}, ok=True)
    (update,) = await local.bot.get_updates()
    assert update.message is not None
    payment = update.message.successful_payment
    assert payment is not None
    assert (payment.total_amount, payment.telegram_payment_charge_id) == (250, paid["charge_id"])
    assert (await local.bot.get_my_star_balance()).amount == 250
    assert (await local.items(chat))[1]["invoice"]["paid"] is True
    assert await local.bot.refund_star_payment(chat, paid["charge_id"])
    assert (await local.bot.get_my_star_balance()).amount == 0
    assert len((await local.bot.get_star_transactions()).transactions) == 2
    with pytest.raises(TelegramBadRequest, match="CHARGE_ALREADY_REFUNDED"):
        await local.bot.refund_star_payment(chat, paid["charge_id"])
    with pytest.raises(TelegramBadRequest, match="CHARGE_NOT_FOUND"):
        await local.bot.refund_star_payment(chat, "nothing")
    local.sandbox.updates.drop()


async def test_a_subscription_link_is_paid_too(local: Local) -> None:
    chat = await local.customer()
    link = await local.bot.create_invoice_link("VPN", "30 days", "order-1", "XTR", PRICE, subscription_period=2592000)
    await paying(local, chat, {"slug": link.partition("$")[2]}, ok=True)
    (update,) = await local.bot.get_updates()
    assert update.message is not None
    assert update.message.successful_payment is not None
    assert update.message.successful_payment.is_recurring
    local.sandbox.updates.drop()
    assert (await local.http.post(f"/chats/{chat}/pay", json={"slug": "nothing"})).status_code == 404


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"prices": PRICE * 2}, "STARS_INVOICE_INVALID"),
        ({"provider_token": "x"}, "STARS_INVOICE_INVALID"),
        ({"currency": "USD"}, "PAYMENT_PROVIDER_INVALID"),
        ({"payload": "ё" * 65}, "INVOICE_PAYLOAD_INVALID"),
        ({"title": "x" * 33}, "INVOICE_TITLE_INVALID"),
        ({"subscription_period": 5}, "SUBSCRIPTION_PERIOD_INVALID"),
    ],
)
async def test_a_bill_must_be_in_order(local: Local, wrong: dict[str, Any], reason: str) -> None:
    right = {"title": "VPN", "description": "x", "payload": "x", "currency": "XTR", "prices": PRICE}
    with pytest.raises(TelegramBadRequest, match=reason):
        await local.bot.create_invoice_link(**(right | wrong))


async def test_the_page_hears_of_changes_at_once(local: Local) -> None:
    chat = await local.customer()
    view = await local.done("GET", f"/chats/{chat}")
    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:  # and not when the wait is over
        waits = {"params": {"after": view["version"], "wait": 25}}
        one = tasks.create_task(local.http.get(f"/chats/{chat}", params=waits["params"]))
        everyone = tasks.create_task(local.http.get("/chats", params=waits["params"]))
        await asyncio.sleep(0.05)
        await local.bot.send_message(chat, "news")
    assert one.result().json()["items"][-1]["text"] == "news"
    assert everyone.result().json()["items"][0]["last"]["text"] == "news"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/chats/0/messages", b'{"text":"x"}'),
        ("POST", "/chats/-5/messages", b'{"text":"x"}'),
        ("POST", "/chats/99999999999999999999/messages", b'{"text":"x"}'),
        ("POST", "/chats/1/messages", b'{"text":""}'),
        ("POST", "/chats/1/messages", b'{"text":5}'),
        ("POST", "/chats/1/messages", b'{"text":"x","nonsense":1}'),
        ("POST", "/chats/1/messages", b'{"text":"x","language_code":"??"}'),
        ("POST", "/chats/1/messages", b"\xff"),
        ("POST", "/chats/1/messages", b""),
        ("POST", "/chats/1/taps", b"[]"),
        ("POST", "/faults", b'{"kind":"earthquake"}'),
        ("POST", "/faults", b'{"kind":"429","times":0}'),
        ("GET", "/chats/1", b""),
        ("GET", "/chats/abc", b""),
        ("GET", "/chats?after=x", b""),
        ("GET", "/files/nothing", b""),
        ("GET", "/pages/chat.py", b""),
        ("GET", "/pages/%2e%2e%2fhome.py", b""),
        ("GET", "/file/bot42:SANDBOX/photos/nothing.png", b""),
        ("DELETE", "/chats", b""),
    ],
)
async def test_nonsense_gets_a_sentence_not_a_failure(local: Local, method: str, path: str, body: bytes) -> None:
    answer = await local.http.request(method, path, content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()


async def test_the_page_and_all_that_it_loads_are_served_from_here(local: Local) -> None:
    page = await local.http.get("")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for name, kind in pages.ASSETS.items():
        asset = await local.http.get(f"/pages/{name}")
        assert (asset.status_code, asset.headers["content-type"].partition(";")[0]) == (200, kind.partition(";")[0])
        for foreign in ("https://", "http://"):
            assert foreign not in asset.text.replace("http://www.w3.org/2000/svg", "").replace("https?:", "")


def test_the_home_page_shows_the_way_and_escapes_what_it_shows() -> None:
    page = render_home([Place(name="x", title="A <b>", url="/x?a=1&b=2", about="'")], {"API key": 'vb_"<'}).decode()
    assert "A &lt;b&gt;" in page
    assert 'href="/x?a=1&amp;b=2"' in page
    assert 'data-copy="vb_&quot;&lt;"' in page
    Litestar([home_page([], {})], openapi_config=None, logging_config=None)
    assert "Credentials" not in render_home([], {}).decode()
