"""Invoices inside Telegram, of whatever ran under the bot's token before: refused before money moves."""

import asyncio
import json

from tests.runners.bot.telegram import SECRET, Customer, Shop, Telegram, make_bot
from tests.runners.bot.test_buying import stock
from tests.runners.bot.test_updates import ANN
from tests.waiting import until

from veilbot_runners.sandbox.telegram import Fault, FaultKind


def invoice(update_id: int) -> bytes:
    """Return the question of a customer who pays an invoice of whatever ran under this token before."""
    query = {"id": "9", "from": ANN, "currency": "XTR", "total_amount": 250, "invoice_payload": "order-1"}
    return json.dumps({"update_id": update_id, "pre_checkout_query": query}).encode()


async def test_an_invoice_that_is_not_ours_is_refused_in_the_answer_of_the_webhook(telegram: Telegram) -> None:
    shop = Shop(telegram)
    bot = make_bot(shop.app, telegram, shop.api, webhook=True)
    reply = await bot.feed(invoice(300), SECRET)
    assert reply is not None
    assert (reply["method"], reply["pre_checkout_query_id"], reply["ok"]) == ("answerPreCheckoutQuery", "9", False)
    assert "/buy" in reply["error_message"]
    await bot.close()
    await shop.close()


async def test_an_invoice_is_refused_at_once_whatever_else_its_customer_waits_for(shop: Shop, ann: Customer) -> None:
    await stock(shop)
    await ann.say("/buy")
    shop.pages.gate = asyncio.Event()
    _, button = ann.button("Month")
    sandbox = shop.telegram.sandbox
    sandbox.stars.invoices["old"] = {"currency": "XTR", "total_amount": 250, "payload": "order-1"}
    async with asyncio.TaskGroup() as group:
        tapping = group.create_task(ann.send_data(ann.heard[-1], button["callback_data"]))
        await until(lambda: bool(sandbox.updates.pending))
        refused = await sandbox.customers.pay(ann.chat, "old")
        assert not tapping.done()
        shop.pages.gate.set()
    assert (refused["paid"], "no longer valid" in refused["error"]) == (False, True)


async def test_a_telegram_that_hangs_at_an_invoice_costs_two_seconds(shop: Shop, ann: Customer) -> None:
    await ann.say("/start")
    sandbox = shop.telegram.sandbox
    sandbox.faults.arm(Fault(kind=FaultKind.HANG, method="answerPreCheckoutQuery", times=9, seconds=90))
    began = asyncio.get_running_loop().time()
    sandbox.updates.push("pre_checkout_query", json.loads(invoice(1))["pre_checkout_query"])
    await until(lambda: not sandbox.updates.pending)
    assert asyncio.get_running_loop().time() - began < 30, "the call hangs for 90"
