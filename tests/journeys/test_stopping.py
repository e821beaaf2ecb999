"""A shop that is told to stop under load: nobody's answer is cut off, and it ends in good order."""

import asyncio
import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from tests.journeys.world import World, eventually

from veilbot_runners.sandbox.stripe_webhooks import signature

SENDERS = 16
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def event() -> str:
    """Return what Stripe says about money that belongs to no order of ours: it is kept for a person."""
    number = uuid4().hex
    session = {
        "id": f"cs_test_{number}",
        "object": "checkout.session",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "payment_intent": f"pi_{number}",
        "amount_total": 499,
        "currency": "usd",
        "client_reference_id": str(uuid4()),
        "metadata": {},
    }
    body: dict[str, Any] = {
        "id": f"evt_{number}",
        "object": "event",
        "type": "checkout.session.completed",
        "created": int(time.time()),
        "livemode": False,
        "data": {"object": session},
    }
    return json.dumps(body)


async def send(world: World, heard: Counter[str], until: asyncio.Event) -> None:
    """Send one event after the other over one connection, as a provider does, until nobody takes them."""
    while not until.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.shop_port)
        except OSError:
            return
        try:
            while True:
                body = event()
                seal = signature(world.made.webhook_secret, body, int(time.time()))
                head = f"host: shop\r\ncontent-length: {len(body)}\r\nstripe-signature: {seal}\r\n\r\n"
                writer.write(f"POST /webhooks/stripe HTTP/1.1\r\n{head}{body}".encode())
                answer = await reader.readuntil(b"\r\n\r\n")
                size = next(int(line[15:]) for line in answer.split(b"\r\n") if line.startswith(b"content-length:"))
                receipt = await reader.readexactly(size)
                heard[f"{answer[9:12].decode()} {receipt.decode()}"] += 1
        except asyncio.IncompleteReadError as error:
            heard["cut off" if error.partial else "not taken"] += 1
        except ConnectionError:
            heard["not taken"] += 1
        finally:
            writer.close()


async def flows(heard: Counter[str]) -> bool:
    return heard.total() > 10 * SENDERS


async def test_under_load_every_webhook_that_was_taken_is_answered(world: World) -> None:
    process = world.start("run", VEILBOT_TIMEOUT__WEBHOOK="600")
    await world.ready()
    heard: Counter[str] = Counter()
    over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(send(world, heard, over))
        await eventually("a load", lambda: flows(heard))
        code = await world.stop(process)
        over.set()
    assert code == 0
    assert heard.pop("not taken", 0) <= SENDERS
    [(answer, taken)] = heard.items()
    assert answer.startswith("200 ")
    with closing(sqlite3.connect(world.environment["VEILBOT_DATABASE_URL"].partition("///")[2])) as books:
        [[written]] = books.execute("SELECT count(*) FROM payments").fetchall()
    assert taken == written, "what was written was answered, and what was answered was written"
