"""Telegram on a bad day: each fault looks to aiogram like the real thing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiogram.exceptions import (
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from tests.runners.sandbox.telegram import Local, opened
from tests.waiting import PATIENCE

from veilbot_runners.sandbox.telegram import Fault, FaultKind


@pytest.fixture(scope="module")
async def once() -> AsyncIterator[Local]:
    async with opened() as local:
        yield local


@pytest.fixture
async def local(once: Local) -> Local:
    await once.done("DELETE", "/faults")
    return once


async def texts(local: Local, chat: int) -> list[str]:
    return [item["text"] for item in await local.items(chat)][1:]


async def test_a_flood_says_when_to_come_back_and_the_poller_does_not_eat_it(local: Local) -> None:
    chat = await local.customer()
    await local.done("POST", "/faults", {"kind": "429", "retry_after": 2, "times": 2})
    await local.bot.get_updates()
    for _ in range(2):
        with pytest.raises(TelegramRetryAfter) as refused:
            await local.bot.send_message(chat, "x")
        assert refused.value.retry_after == 2
    await local.bot.send_message(chat, "after")
    assert await texts(local, chat) == ["after"]


@pytest.mark.parametrize(
    ("kind", "error", "arrived"),
    [
        (FaultKind.FORBIDDEN, TelegramForbiddenError, []),
        (FaultKind.BROKEN, TelegramServerError, []),
        (FaultKind.DROP, TelegramNetworkError, []),
        (FaultKind.LOST, TelegramNetworkError, ["x"]),
    ],
)
async def test_a_call_fails_as_it_was_told_to(
    local: Local, kind: FaultKind, error: type[Exception], arrived: list[str]
) -> None:
    chat = await local.customer()
    local.sandbox.faults.arm(Fault(kind=kind, method="sendMessage", chat_id=chat))
    await local.bot.send_chat_action(chat, "typing")
    with pytest.raises(error):
        await local.bot.send_message(chat, "x")
    assert await texts(local, chat) == arrived
    assert local.sandbox.faults.armed() == []


async def test_silence_ends_with_the_caller_s_patience(local: Local) -> None:
    chat = await local.customer()
    local.sandbox.faults.arm(Fault(kind=FaultKind.HANG, seconds=20))
    with pytest.raises(TelegramNetworkError, match="timeout"):
        await local.bot.send_message(chat, "x", request_timeout=1)
    local.sandbox.faults.arm(Fault(kind=FaultKind.HANG, seconds=0.05))
    with pytest.raises(TelegramNetworkError):
        await local.bot.send_message(chat, "x")
    assert await texts(local, chat) == []


async def test_an_update_comes_twice_with_one_id(local: Local) -> None:
    chat = await local.customer()
    assert (await local.done("POST", "/faults", {"kind": "duplicate"}))["items"][0]["kind"] == "duplicate"
    await local.done("POST", f"/chats/{chat}/messages", {"text": "once"})
    (first,) = await local.bot.get_updates()
    (second,) = await local.bot.get_updates(offset=first.update_id + 1, timeout=30)
    assert (second.update_id, second.message and second.message.text) == (first.update_id, "once")
    async with asyncio.timeout(PATIENCE):
        assert await local.bot.get_updates(offset=second.update_id + 1) == []
