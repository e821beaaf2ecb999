"""Two processes that poll with one token: one sentence in the log of each, and neither ends."""

import asyncio

import pytest
from tests.runners.bot.telegram import Customer, Shop, Telegram, polling
from tests.waiting import PATIENCE


async def test_two_pollers_say_what_is_wrong_once_and_serve_on(
    telegram: Telegram, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = Shop(telegram), Shop(telegram)
    said, rounds = "", 0
    async with asyncio.timeout(PATIENCE), polling(one), polling(other):
        while rounds < 6 or "Conflict" not in said:
            await asyncio.sleep(0.1)
            for shop in (one, other):
                await shop.out.clock.advance(10)
            said, rounds = said + capsys.readouterr().out, rounds + 1
        assert "Hello, Pat" in await Customer(shop=one, chat=9100, name="Pat").say("/start")
    said += capsys.readouterr().out
    assert 1 <= said.count("polling is for one process: end the other one, or set VEILBOT_TELEGRAM__MODE=webhook") <= 2
    assert "Conflict: terminated by other getUpdates request" in said
    for shop in (one, other):
        await shop.close()
