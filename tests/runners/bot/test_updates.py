"""Updates: taken once, in order, acknowledged when they are done; by polling and by webhook."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.runners.bot.telegram import SECRET, Customer, Shop, Telegram, make_api, make_bot, polling
from tests.runners.bot.test_buying import stock
from tests.waiting import PATIENCE, until

from veilbot_adapters.telegram import Bills
from veilbot_core.domain import errors
from veilbot_core.domain.errors import InvalidInput, Rejected, Unauthorized
from veilbot_runners.bot import TelegramBot
from veilbot_runners.bot.errors import SENTENCES, sentence
from veilbot_runners.bot.lanes import LocalLanes
from veilbot_runners.sandbox.telegram import Fault, FaultKind

ANN = {"id": 501, "is_bot": False, "first_name": "Ann", "language_code": "en"}
CHAT = {"id": 501, "type": "private", "first_name": "Ann"}


@pytest.fixture
async def hook(telegram: Telegram) -> AsyncIterator[TelegramBot]:
    """A bot behind a webhook; its customer is known to Telegram."""
    telegram.sandbox.chats.all.pop(501, None)
    telegram.sandbox.chats.open(501, "Ann")
    shop = Shop(telegram)
    await stock(shop)
    bot = make_bot(shop.app, telegram, shop.api, webhook=True)
    yield bot
    await bot.close()
    await shop.close()


def message(update_id: int, **content: Any) -> bytes:
    about = {"message_id": update_id, "date": 1, "chat": CHAT, "from": ANN}
    return json.dumps({"update_id": update_id, "message": {**about, **content}}).encode()


def tap(update_id: int, data: str, **content: Any) -> bytes:
    shown = {"message_id": 7, "date": 1, "chat": CHAT, "from": {"id": 1, "is_bot": True, "first_name": "B"}}
    query = {"id": "1", "from": ANN, "chat_instance": "1", "data": data, "message": {**shown, **content}}
    return json.dumps({"update_id": update_id, "callback_query": query}).encode()


class TestWebhook:
    async def test_the_answer_carries_the_screen(self, hook: TelegramBot) -> None:
        reply = await hook.feed(message(1, text="/start"), SECRET)
        assert reply is not None
        assert (reply["method"], reply["chat_id"]) == ("sendMessage", 501)
        assert reply["text"].startswith("Hello, <b>Ann</b>!")

    async def test_a_tap_is_answered_and_edited(self, hook: TelegramBot) -> None:
        reply = await hook.feed(tap(2, "t", text="a menu"), SECRET)
        assert reply is not None
        assert (reply["method"], reply["message_id"]) == ("editMessageText", 7)
        assert "Choose a plan" in reply["text"]

    async def test_what_cannot_be_edited_is_sent_anew(self, hook: TelegramBot) -> None:
        for update in (tap(3, "h", photo=[]), tap(4, "h", date=0)):
            reply = await hook.feed(update, SECRET)
            assert reply is not None
            assert reply["method"] == "sendMessage"

    @pytest.mark.parametrize("secret", [None, "", "guess", "é", SECRET + "x"])
    async def test_nobody_else_is_heard(self, hook: TelegramBot, secret: str | None) -> None:
        with pytest.raises(Unauthorized):
            await hook.feed(message(5, text="/start"), secret)

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"update_id": "1"}', b"[" * 100_000, b"\xff\xfe"])
    async def test_nonsense_is_refused(self, hook: TelegramBot, body: bytes) -> None:
        with pytest.raises(InvalidInput):
            await hook.feed(body, SECRET)

    @pytest.mark.parametrize("more", [{}, {"poll": {}}, {"message": {"date": "soon"}}, {"message": 5}])
    async def test_what_nobody_can_read_is_left_out(self, hook: TelegramBot, more: dict[str, Any]) -> None:
        assert await hook.feed(json.dumps({"update_id": 9, **more}).encode(), SECRET) is None

    async def test_the_same_update_is_taken_once(self, hook: TelegramBot) -> None:
        replies = await asyncio.gather(*(hook.feed(message(6, text="/start"), SECRET) for _ in range(5)))
        assert sum(reply is not None for reply in replies) == 1

    async def test_stickers_get_the_menu_and_groups_get_nothing(self, hook: TelegramBot) -> None:
        reply = await hook.feed(message(7), SECRET)
        assert reply is not None
        assert "only understand the buttons" in reply["text"]
        group = {"id": -5, "type": "group", "title": "G"}
        assert await hook.feed(message(8, chat=group, text="/keys"), SECRET) is None

    async def test_a_customer_who_is_too_fast_is_told_once(self, hook: TelegramBot) -> None:
        replies = [await hook.feed(message(100 + n, text="/start"), SECRET) for n in range(25)]
        said = [reply["text"] for reply in replies if reply is not None]
        assert len(said) == 21
        assert "a little fast" in said[-1]

    async def test_buying_too_often_is_told(self, hook: TelegramBot) -> None:
        reply = await hook.feed(tap(200, "t", text="x"), SECRET)
        assert reply is not None
        data = reply["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
        shown = [await hook.feed(tap(201 + n, data, text="x"), SECRET) for n in range(6)]
        assert [one is not None and one["method"] for one in shown] == ["editMessageText"] * 5 + ["answerCallbackQuery"]

    async def test_it_announces_itself(self, hook: TelegramBot, telegram: Telegram) -> None:
        await hook.announce(asyncio.Event())
        assert telegram.sandbox.webhook["url"] == "https://veil.example/webhooks/telegram"
        telegram.sandbox.webhook.clear()
        telegram.sandbox.updates.webhook_set = False
        commands = telegram.sandbox.profile.commands_for(501, "ru")
        assert [command["command"] for command in commands] == ["start", "buy", "keys", "help", "language"]
        assert commands[0]["description"] == "Главное меню"


class TestTrouble:
    async def test_what_nobody_foresaw_gets_a_sorry_with_a_number(
        self, hook: TelegramBot, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def explode(*_: object) -> None:
            raise ZeroDivisionError

        hook._desk.said = explode  # type: ignore[method-assign, assignment]
        reply = await hook.feed(message(1, text="/start"), SECRET)
        assert reply is not None
        reference = reply["text"].partition("<code>")[2].removesuffix("</code>")
        assert len(reference) == 12
        assert reference in capsys.readouterr().out

    def test_every_error_has_a_sentence(self) -> None:
        tree = {
            kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VeilbotError)
        }
        assert set(SENTENCES) == tree

    def test_an_adapters_own_error_is_told_as_its_family(self) -> None:
        class Own(errors.Unavailable):
            pass

        assert sentence(Own()) == "error-unavailable"


class TestPolling:
    async def test_updates_are_acknowledged_when_they_are_done(self, shop: Shop, ann: Customer) -> None:
        await ann.say("/start")
        await until(lambda: not shop.telegram.sandbox.updates.pending)

    async def test_an_update_in_work_is_not_acknowledged_and_others_go_on(
        self, shop: Shop, customer: Callable[..., Customer]
    ) -> None:
        await stock(shop)
        slow, quick = customer("Slow"), customer("Quick")
        await slow.say("/buy")
        shop.pages.gate = asyncio.Event()
        pending = shop.telegram.sandbox.updates.pending
        await until(lambda: not pending)
        _, button = slow.button("Month")
        async with asyncio.TaskGroup() as group:
            tapping = group.create_task(slow.send_data(slow.heard[-1], button["callback_data"]))
            await until(lambda: bool(pending))
            (waiting,) = pending
            assert "Hello, Quick" in await quick.say("/start")
            assert "no key yet" in await quick.say("/keys")
            assert waiting in pending
            shop.pages.gate.set()
        assert "To pay" in tapping.result()
        await until(lambda: not pending)

    async def test_a_repeated_update_changes_nothing(self, shop: Shop, ann: Customer) -> None:
        shop.telegram.sandbox.faults.arm(Fault(kind=FaultKind.DUPLICATE))
        await ann.say("/start")
        await ann.say("/keys")
        assert len(ann.heard) == 2

    async def test_what_was_not_done_at_the_end_is_done_by_the_next(self, telegram: Telegram) -> None:
        shop = Shop(telegram)
        late = Customer(shop=shop, chat=9001)
        telegram.sandbox.customers.say(9001, "/start", name="Late")
        async with polling(shop):
            assert await late.hears("Hello, Late")
        assert not telegram.sandbox.updates.pending
        await shop.close()

    async def test_the_end_does_not_wait_for_ever_and_what_was_cut_off_comes_again(self, telegram: Telegram) -> None:
        shop = Shop(telegram)
        await stock(shop)
        cut = Customer(shop=shop, chat=9002)
        shop.pages.gate = asyncio.Event()
        async with polling(shop, drain=0.1):
            await cut.say("/buy")
            _, button = cut.button("Month")
            async with asyncio.TaskGroup() as group:
                tapping = group.create_task(
                    telegram.sandbox.customers.tap(9002, cut.heard[-1]["message_id"], button["callback_data"], 0.1)
                )
            assert tapping.result() is None
        assert len(telegram.sandbox.updates.pending) == 1
        shop.pages.gate.set()
        async with polling(shop):
            await cut.hears("To pay")
        await shop.close()

    @pytest.mark.parametrize("kind", [FaultKind.BROKEN, FaultKind.DROP, FaultKind.TOO_MANY])
    async def test_a_lost_answer_is_sent_again(self, shop: Shop, ann: Customer, kind: FaultKind) -> None:
        shop.telegram.sandbox.faults.arm(Fault(kind=kind, method="sendMessage"))
        async with asyncio.TaskGroup() as group:
            saying = group.create_task(ann.say("/start"))
            while not saying.done():
                await asyncio.sleep(0.01)
                await shop.out.clock.advance(0.5)
        assert "Hello" in saying.result()

    async def test_a_wrong_token_ends_it(self, telegram: Telegram) -> None:
        shop = Shop(telegram)
        wrong = make_api(shop.out, telegram, "1:wrong")
        bills = Bills(shop.out.cache)
        bot = TelegramBot(shop.app, "1:wrong", wire=wrong, texts=shop.bot._texts, draw=str.encode, bills=bills)
        with pytest.raises(Rejected, match="VEILBOT_TELEGRAM__TOKEN"):
            await bot.poll(asyncio.Event())
        await bot.close()
        await wrong.close()
        await shop.close()

    async def test_it_stops_though_telegram_does_not_answer(self, telegram: Telegram) -> None:
        shop = Shop(replace(telegram, base="http://127.0.0.1:1"))
        async with asyncio.timeout(PATIENCE), polling(shop):
            await asyncio.sleep(0.1)
        await shop.close()

    async def test_a_customer_who_comes_back_is_reachable_again(self, shop: Shop, ann: Customer) -> None:
        await ann.say("/start")
        user = await shop.app.users.arrive(ann.chat, "", None)
        await shop.out.storage.write(lambda uow: uow.users.save(uow.users.lock(user.id).lost(user.created_at)))
        customers = shop.telegram.sandbox.customers
        customers.block(ann.chat, blocked=True)
        customers.block(ann.chat, blocked=False)
        async with asyncio.timeout(PATIENCE):
            while (await shop.app.users.get(user.id)).unreachable_at is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


class TestLanes:
    async def test_one_customer_keeps_the_order_and_leaves_nothing_behind(self) -> None:
        lanes, done = LocalLanes(most=2), []

        async def step(key: int, number: int) -> None:
            await asyncio.sleep(0)
            done.append((key, number))

        async with asyncio.TaskGroup() as group:
            for number in range(5):
                for key in (1, 2, 3):
                    group.create_task(lanes.run(key, 10 * key + number, partial(step, key, number)))
        assert all([n for k, n in done if k == key] == list(range(5)) for key in (1, 2, 3))
        assert len(lanes) == 0


class TestLean:
    def test_aiogram_is_lean_and_every_type_still_builds(self) -> None:
        """In a process of its own, because importing it otherwise cannot be undone."""
        script = """
import sys
from veilbot_runners.bot import lean
assert lean.load(), "the lean import fell back"
memory = int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6 if sys.platform == "linux" else 0
from aiogram import methods, types
from aiogram.methods.base import Response
for module in (types, methods):
    for name in module.__all__:
        kind = getattr(module, name)
        if isinstance(kind, type) and hasattr(kind, "model_rebuild"):
            assert kind.model_rebuild() is not False, name
assert Response[methods.SendMessage.__returning__].model_validate({"ok": False}).ok is False
print(memory)
"""
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env=dict(os.environ),
        )
        assert done.returncode == 0, done.stderr
        assert float(done.stdout) < 125
