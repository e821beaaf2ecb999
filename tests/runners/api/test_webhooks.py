"""Module webhooks."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from tests.runners.api.world import World, open_world
from tests.waiting import on_virtual_time

from veilbot_core.domain.errors import Unavailable, Unknown
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.payment import Provider


async def test_an_event_is_recorded_once_and_in_one_commit(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    await world.server()
    order = await world.order(user, tariff)
    body, headers = world.gateway.pay(OrderId(UUID(order["id"])))
    shouted = {name.upper(): value for name, value in headers.items()}
    before = world.storage.commits
    assert await world.post("/webhooks/stripe", content=body, headers=shouted) == {"receipt": "accepted"}
    assert world.storage.commits == before + 1
    assert await world.post("/webhooks/stripe", content=body, headers=headers) == {"receipt": "duplicate"}
    body, headers = world.gateway.pay(OrderId(UUID(order["id"])), again=True)
    assert await world.post("/webhooks/stripe", content=body, headers=headers) == {"receipt": "held"}


async def test_what_the_provider_did_not_sign_is_refused(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    await world.server()
    order = await world.order(user, tariff)
    body, headers = world.gateway.pay(OrderId(UUID(order["id"])))
    _, forged = world.gateway.forge(body)
    for bad_body, bad_headers in ((body, forged), (body + b" ", headers), (body, {}), (b"", headers)):
        problem = await world.post("/webhooks/stripe", 400, content=bad_body, headers=bad_headers)
        assert problem["code"] == "invalid_signature"
    for nonsense in (b"", b"{}", b"\xff", b"[" * 100_000):
        signed, headers = world.gateway.sign(nonsense)
        problem = await world.post("/webhooks/stripe", 400, content=signed, headers=headers)
        assert problem["code"] == "malformed_event"
    assert (await world.get(f"/api/v1/billing/orders/{order['id']}"))["status"] == "pending"


async def test_what_could_not_be_kept_comes_again(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    await world.server()
    body, headers = world.gateway.pay(OrderId(UUID((await world.order(user, tariff))["id"])))
    for trouble in (Unavailable(), Unknown()):
        world.storage.fail_next(trouble)
        await world.post("/webhooks/stripe", 503, content=body, headers=headers)
    world.storage.commit_then_fail()
    await world.post("/webhooks/stripe", 503, content=body, headers=headers)
    assert await world.post("/webhooks/stripe", content=body, headers=headers) == {"receipt": "duplicate"}


async def test_a_provider_that_is_off_or_unknown_is_not_found(world: World) -> None:
    world.application.payments.gateways.pop(Provider.STRIPE)  # type: ignore[attr-defined]
    for provider in ("stripe", "cash", "%00", "%ff"):
        assert (await world.post(f"/webhooks/{provider}", 404, content=b"{}"))["code"] == "not_found"


async def test_telegram_proves_itself_with_the_secret(world: World) -> None:
    right = {"X-Telegram-Bot-Api-Secret-Token": "right"}
    answer = await world.post("/webhooks/telegram", content=b"{}", headers=right)
    assert answer == {"method": "sendMessage", "chat_id": 7, "text": "hi"}
    assert await world.post("/webhooks/telegram", content=b"silent", headers=right) == {}
    assert (await world.post("/webhooks/telegram", 400, content=b"?", headers=right))["code"] == "invalid_input"
    for wrong in ({}, {"X-Telegram-Bot-Api-Secret-Token": "wrong"}):
        assert (await world.post("/webhooks/telegram", 401, content=b"{}", headers=wrong))["code"] == "unauthorized"


async def test_without_a_bot_there_is_no_telegram() -> None:
    async with open_world(telegram=None) as world:
        await world.post("/webhooks/telegram", 404, content=b"{}")


@on_virtual_time
async def test_a_body_that_does_not_come_is_waited_for_ten_seconds() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    loop = asyncio.get_running_loop()
    async with open_world() as world:
        for path in ("/webhooks/stripe", "/webhooks/telegram"):
            began = loop.time()
            problem = await world.post(path, 400, content=stuck())
            assert problem["detail"] == "the body does not come"
            assert 10 <= loop.time() - began < 11
