"""A real aiogram bot talks to the sandbox: by polling and by webhook."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiogram import Bot, Dispatcher, F
from aiogram.exceptions import TelegramConflictError
from aiogram.filters import CommandStart
from aiogram.methods import SendMessage
from aiogram.types import CallbackQuery, ChatMemberUpdated, InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from litestar import Request, Response, post
from litestar.handlers import HTTPRouteHandler
from tests.runners.sandbox.telegram import Local, opened
from tests.waiting import PATIENCE, until

SECRET = "s3cret_Token"


def shop() -> Dispatcher:
    dispatcher = Dispatcher()
    menu = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Buy", callback_data="buy")]])

    @dispatcher.message(CommandStart())
    async def start(message: Message) -> None:
        await message.answer("<b>Welcome</b>", parse_mode="HTML", reply_markup=menu)

    @dispatcher.callback_query(F.data == "buy")
    async def buy(query: CallbackQuery) -> None:
        assert isinstance(query.message, Message)
        await query.message.edit_text("Which tariff?")
        await query.answer("One moment", show_alert=True)

    @dispatcher.my_chat_member()
    async def left(change: ChatMemberUpdated, gone: "asyncio.Queue[str]") -> None:
        gone.put_nowait(change.new_chat_member.status)

    return dispatcher


@asynccontextmanager
async def polling(local: Local, **data: Any) -> AsyncIterator[None]:
    dispatcher = shop()
    async with asyncio.TaskGroup() as tasks:
        polls = dispatcher.start_polling(
            local.bot, handle_signals=False, close_bot_session=False, polling_timeout=5, **data
        )
        tasks.create_task(polls)
        await asyncio.sleep(0.05)
        yield
        await dispatcher.stop_polling()


async def buys(local: Local, chat: int) -> None:
    await local.done("POST", f"/chats/{chat}/messages", {"text": "/start", "name": "Maya Rossi"})
    welcome = await local.item(chat, 1)
    assert welcome["html"] == "<b>Welcome</b>"
    tap = {"message_id": welcome["message_id"], "data": welcome["buttons"][0][0]["data"], "wait": 30}
    answer = await local.done("POST", f"/chats/{chat}/taps", tap)
    assert answer == {"answered": True, "text": "One moment", "show_alert": True, "url": ""}
    assert (await local.items(chat))[1]["text"] == "Which tariff?"


async def test_a_customer_talks_to_a_bot_that_polls() -> None:
    gone: asyncio.Queue[str] = asyncio.Queue()
    async with opened() as local, polling(local, gone=gone):
        await buys(local, 7)
        await local.done("POST", "/chats/7/block")
        async with asyncio.timeout(PATIENCE):
            assert await gone.get() == "kicked"


@asynccontextmanager
async def hooked(answers: list[int], replies: list[object]) -> AsyncIterator[tuple[Local, list[tuple[str, int]]]]:
    """A bot behind a webhook that first answers what it is told to."""
    heard: list[tuple[str, int]] = []
    dispatcher = shop()
    bots: list[Bot] = []

    @post("/hook", status_code=200)
    async def hook(request: Request[Any, Any, Any]) -> Response[object]:
        body = await request.json()
        heard.append((request.headers.get("x-telegram-bot-api-secret-token", ""), body["update_id"]))
        if answers:
            return Response(None, status_code=answers.pop(0))
        if replies:
            return Response(replies.pop(0))
        await dispatcher.feed_update(
            bots[0], Update.model_validate(body, context={"bot": bots[0]}), gone=asyncio.Queue()
        )
        return Response(None)

    handlers: list[HTTPRouteHandler] = [hook]
    async with opened(handlers) as local:
        bots.append(local.bot)
        url = local.url.replace("/sandbox/telegram", "/hook")
        assert await local.bot.set_webhook(url, secret_token=SECRET)
        yield local, heard


async def test_a_customer_talks_to_a_bot_behind_a_webhook_with_its_secret() -> None:
    async with hooked([], []) as (local, heard):
        await buys(local, 7)
        assert {secret for secret, _ in heard} == {SECRET}
        info = await local.bot.get_webhook_info()
        assert info.url.endswith("/hook")
        with pytest.raises(TelegramConflictError, match="webhook is active"):
            await local.bot.get_updates()
        await local.bot.delete_webhook()
        assert await local.bot.get_updates() == []


async def test_a_delivery_is_repeated_until_the_bot_takes_it() -> None:
    async with hooked([500, 302, 503], []) as (local, heard):
        await buys(local, 7)
        assert len({update_id for _, update_id in heard[:4]}) == 1
        info = await local.bot.get_webhook_info()
        assert info.last_error_message == "Wrong response from the webhook: 503 Service Unavailable"


async def test_an_update_may_come_twice_to_a_webhook_too() -> None:
    async with hooked([], []) as (local, heard):
        await local.done("POST", "/faults", {"kind": "duplicate"})
        await local.done("POST", "/chats/7/messages", {"text": "/start"})
        await local.item(7, 2)
        assert len(heard) == 2
        assert len(set(heard)) == 1


async def test_a_bot_may_answer_in_the_webhook_s_response() -> None:
    reply = SendMessage(chat_id=7, text="straight back").model_dump(exclude_none=True, exclude_defaults=True)
    async with hooked([], [{"method": "sendMessage", **reply}]) as (local, _):
        await local.done("POST", "/chats/7/messages", {"text": "hello"})
        assert (await local.item(7, 1))["text"] == "straight back"


async def test_a_webhook_s_address_is_checked() -> None:
    async with opened() as local:
        for url in ("http://a.example/", "gopher://x", "http://[", "https://", "https://x:99999/"):
            assert (await local.call("setWebhook", url=url)).status_code == 400
        answer = await local.call("setWebhook", url="https://a.example/", secret_token="no spaces")
        assert answer.json()["description"] == "Bad Request: secret token contains unallowed characters"


async def test_two_pollers_get_in_each_other_s_way() -> None:
    async with opened() as local:

        async def later() -> list[Update]:
            await until(lambda: local.sandbox.updates._poll is not None)
            return await local.bot.get_updates(timeout=0)

        first, second = await asyncio.gather(local.bot.get_updates(timeout=30), later(), return_exceptions=True)
        assert isinstance(first, TelegramConflictError)
        assert "terminated by other getUpdates request" in first.message
        assert second == []


async def test_a_poller_that_goes_away_is_not_in_the_way() -> None:
    async with opened() as local:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await local.http.get("/bot42:SANDBOX/getUpdates", params={"timeout": 20})
        await local.done("POST", "/chats/7/messages", {"text": "still here"})
        assert len(await local.bot.get_updates(timeout=1)) == 1


async def test_an_update_comes_until_it_is_confirmed_and_only_if_it_is_wanted() -> None:
    async with opened() as local:
        for number in range(5):
            await local.done("POST", "/chats/7/messages", {"text": f"message {number}"})
        first = await local.bot.get_updates(limit=2)
        assert [update.update_id for update in await local.bot.get_updates(limit=2)] == [u.update_id for u in first]
        rest = await local.bot.get_updates(offset=first[-1].update_id + 1)
        assert [update.message.text for update in rest if update.message] == [f"message {n}" for n in (2, 3, 4)]
        assert len(await local.bot.get_updates(offset=-1)) == 1
        assert len(await local.bot.get_updates()) == 1
        await local.bot.get_updates(offset=rest[-1].update_id + 1, allowed_updates=["callback_query"])
        await local.done("POST", "/chats/7/messages", {"text": "not wanted"})
        assert await local.bot.get_updates() == []


async def test_the_sandbox_stops_at_once_whatever_waits() -> None:
    async with opened() as local:
        waits = [local.http.get("/chats", params={"after": 0, "wait": 25})]
        waits.append(local.http.get("/bot42:SANDBOX/getUpdates", params={"timeout": 50}))
        async with asyncio.TaskGroup() as tasks:
            pending = [tasks.create_task(wait) for wait in waits]
            await until(lambda: local.sandbox.updates._poll is not None)
            async with asyncio.timeout(15):  # they would wait for longer
                local.sandbox.stop()
                await asyncio.wait(pending)
        assert [task.result().status_code for task in pending] == [200, 502]
