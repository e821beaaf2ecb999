"""What the demo's world remembers over a restart, and the page that shows it."""

import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from veilbot_core.domain.errors import InvalidInput
from veilbot_runners.sandbox.keeping import keeping
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.shop import Credentials, Sandbox, demo_settings, write_settings
from veilbot_runners.sandbox.stripe import Payment, StripeSandbox
from veilbot_runners.sandbox.telegram import TelegramSandbox
from veilbot_runners.sandbox.telegram.errors import ApiError
from veilbot_runners.sandbox.telegram.methods import call
from veilbot_runners.sandbox.telegram.params import Params
from veilbot_runners.settings import load

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
ORDER = {
    "mode": "payment",
    "line_items": {
        "0": {"quantity": "1", "price_data": {"currency": "usd", "unit_amount": "499", "product_data": {"name": "M"}}}
    },
    "success_url": "http://shop.test/",
    "cancel_url": "http://shop.test/",
}


def world(page: str = "http://127.0.0.1:1") -> tuple[TelegramSandbox, StripeSandbox, OutlineSandbox]:
    outline = OutlineSandbox({"Amsterdam 1": 0})
    return TelegramSandbox("1:a"), StripeSandbox("sk", "whsec", "http://127.0.0.1:9", page), outline


async def test_a_second_start_finds_the_same_world(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    telegram, stripe, outline = world()
    async with keeping(path, telegram, stripe, outline):
        telegram.customers.say(42, "hello", name="Ann Lee", language_code="ru")
        file = telegram.files.add(PNG, "key.png")
        paid, still_open = stripe.books.open(ORDER), stripe.books.open(ORDER)
        stripe.books.pay(paid.id)
        key = outline.servers["Amsterdam 1"].state.add("7", {"name": "Ann"})
    assert path.stat().st_mode & 0o077 == 0

    telegram, stripe, outline = world("http://127.0.0.1:2")
    async with keeping(path, telegram, stripe, outline):
        chat = telegram.chats.all[42]
        assert (chat.name, chat.language_code) == ("Ann Lee", "ru")
        assert [message["text"] for message in chat.messages.values()] == ["hello"]
        assert telegram.customers.say(42, "again")["message_id"] > next(iter(chat.messages))
        assert telegram.files.get(file.file_id) == file
        assert [session.payment_status for session in stripe.books.sessions.values()] == ["paid", "unpaid"]
        assert stripe.books.sessions[still_open.id].url.startswith("http://127.0.0.1:2/")
        refund, _ = stripe.books.refund({"payment_intent": stripe.books.sessions[paid.id].intent_id or ""})
        assert refund.amount == 499
        assert outline.servers["Amsterdam 1"].keys == {"7": key}
        assert len(list(stripe.books.told({}))) == 2


async def test_the_bot_may_edit_after_a_restart_what_it_wrote_before(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    telegram, stripe, outline = world()
    async with keeping(path, telegram, stripe, outline):
        heard = telegram.customers.say(42, "hello")
        written = telegram.chats.from_bot(telegram.chats.all[42], text="old")
    telegram, stripe, outline = world()
    async with keeping(path, telegram, stripe, outline):
        edit = {"chat_id": "42", "message_id": str(written["message_id"]), "text": "new"}
        assert call(telegram, "editmessagetext", Params(edit))["text"] == "new"
        with pytest.raises(ApiError, match="can't be edited"):
            call(telegram, "editmessagetext", Params(edit | {"message_id": str(heard["message_id"])}))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"chats": {"last": 1, "chats": [{}]}}'])
async def test_a_broken_file_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / "world.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match="--fresh"):
        async with keeping(path, *world()):
            raise AssertionError
    assert path.read_text() == text


def test_the_servers_keep_their_ports_wherever_the_pages_are(tmp_path: Path) -> None:
    begun = replace(Credentials.read(tmp_path, 8080), api_key="vb_made_with_the_servers")
    begun.write(tmp_path)
    assert Credentials.read(tmp_path, 9000) == begun
    (tmp_path / "credentials.json").write_text(json.dumps({"seed": "old"}))
    with pytest.raises(InvalidInput, match="--fresh"):
        Credentials.read(tmp_path, 8080)


def test_a_demo_that_made_no_server_yet_may_choose_other_ports(tmp_path: Path) -> None:
    made = Credentials.read(tmp_path, 8080)
    assert Credentials.read(tmp_path, 9000) == replace(made, servers_at=9001)


async def test_backstage_shows_servers_and_payments_and_breaks_them(tmp_path: Path) -> None:
    made = Credentials.read(tmp_path, 0)
    async with Sandbox(1, made, servers_at=0) as sandbox:
        session = sandbox.stripe.books.open(ORDER)
        transport = httpx.ASGITransport(sandbox.app({}))  # type: ignore[arg-type]  # Litestar's own types
        async with httpx.AsyncClient(transport=transport, base_url="http://demo.test") as http:
            page = await http.get("/sandbox/backstage")
            assert page.headers["content-type"].startswith("text/html")
            assert "Amsterdam 1" in page.text
            assert "$4.99" in page.text
            assert session.url in page.text
            for server in ("Amsterdam 1", "Frankfurt 3"):
                stay = await http.post(f"/sandbox/backstage/{server}/down", headers={"sec-fetch-site": "cross-site"})
                assert stay.status_code == 303
                assert "is switched off" not in (await http.get("/sandbox/backstage")).text
                assert (await http.post(f"/sandbox/backstage/{server}/down")).status_code == 303
                assert "is switched off" in (await http.get("/sandbox/backstage")).text
                await http.post(f"/sandbox/backstage/{server}/none")
            await sandbox.stripe.pay(session.id, Payment())
            assert "paid" in (await http.get("/sandbox/backstage")).text


async def test_the_operators_chat_says_what_it_is_for_and_counts_as_no_customer(tmp_path: Path) -> None:
    async with Sandbox(1, Credentials.read(tmp_path, 0), servers_at=0) as sandbox:
        transport = httpx.ASGITransport(sandbox.app({}))  # type: ignore[arg-type]  # Litestar's own types
        async with httpx.AsyncClient(transport=transport, base_url="http://demo.test") as http:
            (line,) = (await http.get("/sandbox/telegram/chats")).json()["items"]
            assert "operator" in line["purpose"]
            chat = (await http.get(f"/sandbox/telegram/chats/{line['id']}")).json()["chat"]
            assert chat["purpose"] == line["purpose"]
            ann = (await http.post("/sandbox/telegram/chats", json={"name": "Ann"})).json()["chat"]
            assert ann["purpose"] == ""


def test_the_operator_reaches_the_demos_shop(tmp_path: Path) -> None:
    made = Credentials.read(tmp_path, 8080)
    settings = demo_settings(tmp_path, 8080, made)
    path = write_settings(tmp_path, settings, made)
    assert path.stat().st_mode & 0o077 == 0
    assert load(env_file=path, return_url=settings.return_url) == settings
