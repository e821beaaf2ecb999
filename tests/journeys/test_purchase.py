"""The whole purchase through real HTTP, real signatures, real TLS and real processes, on both databases."""

import asyncio
import base64
import json
import re

from tests.journeys.world import Customer, World, eventually

from veilbot_runners.sandbox.outline_server import Outage

KEY = r"ss://[^\s<]+"


async def bought(world: World, chat: int, language: str = "en", country: str = "Netherlands") -> tuple[Customer, str]:
    customer = Customer(world=world, chat=chat, language=language)
    session = await customer.checkout(country=country)
    await customer.pay(session)
    return customer, (await customer.hears(KEY)).split("#")[0]


async def test_a_customer_buys_a_key_that_the_server_has(shop: World) -> None:
    before = shop.keys()
    _, key = await bought(shop, 1)
    assert set(shop.keys()) - set(before) == {key}


async def test_a_russian_customer_reads_russian(shop: World) -> None:
    customer, _ = await bought(shop, 2, language="ru", country="Нидерланды")
    assert any("ключ" in text.lower() for text in await customer.texts())


async def test_the_link_gives_the_same_key_without_telegram(shop: World) -> None:
    customer, key = await bought(shop, 3)
    link = await customer.hears(r"http://127\.0\.0\.1:\d+/s/[\w-]+")
    answer = await shop.http.get(link)
    assert answer.status_code == 200
    assert key in base64.b64decode(answer.text).decode()


async def test_the_same_event_ten_times_makes_one_key(shop: World) -> None:
    before = len(shop.keys())
    customer = Customer(world=shop, chat=4)
    session = await customer.checkout()
    event = shop.sandbox.stripe.books.pay(session)
    statuses = await asyncio.gather(*(shop.sandbox.stripe.webhooks.send(event) for _ in range(10)))
    await customer.hears(KEY)
    assert set(statuses) == {200}
    assert len(shop.keys()) == before + 1


async def test_a_renewal_keeps_the_key_and_adds_the_days(shop: World) -> None:
    customer, _ = await bought(shop, 5)
    before = shop.keys()
    await customer.say("/keys")
    await customer.tap("(?i)renew")
    await customer.tap("Month")
    url: str = await eventually("another pay button", lambda: unpaid(customer))
    await customer.pay(url.rsplit("/", 1)[1])
    await customer.hears("(?i)renewed|extended")
    assert shop.keys() == before


async def unpaid(customer: Customer) -> str | None:
    """Return the pay button that leads to an open session."""
    button = await customer.button("url", "/sandbox/stripe/pay/")
    if button is None:
        return None
    session = str(button["url"]).rsplit("/", 1)[1]
    books = customer.world.sandbox.stripe.books
    return str(button["url"]) if books.sessions[session].status == "open" else None


async def test_while_the_server_is_down_the_customer_is_told_the_truth_and_then_gets_the_key(shop: World) -> None:
    before = len(shop.keys())
    customer = Customer(world=shop, chat=6)
    session = await customer.checkout()
    await shop.sandbox.outline.play("Amsterdam 1", Outage.DOWN)
    await customer.pay(session)
    await customer.hears("(?i)payment|paid")
    await bought(shop, 7, country="Germany")
    assert len(shop.keys()) == before + 1
    await shop.sandbox.outline.play("Amsterdam 1", Outage.NONE)
    await customer.hears(KEY)
    assert len(shop.keys()) == before + 2


async def test_what_no_webhook_told_is_found_by_asking(shop: World) -> None:
    before = len(shop.keys())
    customer = Customer(world=shop, chat=9)
    session = await customer.checkout()
    await customer.pay(session, webhook="drop")
    done = await shop.command("settle", "--since", "1h", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (item,) = json.loads(done.stdout)["items"]
    assert (item["provider"], item["booked"], len(item["orders"]), item["troubles"]) == ("stripe", 1, 1, [])
    await customer.hears(KEY)
    assert len(shop.keys()) == before + 1
    again = await shop.command("settle")
    assert again.returncode == 0
    assert re.fullmatch(r"stripe: \d+ events since .*, 0 new, 0 booked\n", again.stdout)


async def test_an_unsigned_event_changes_nothing(shop: World) -> None:
    before = shop.keys()
    customer = Customer(world=shop, chat=8)
    session = await customer.checkout()
    event = shop.sandbox.stripe.books.pay(session)
    url = f"http://127.0.0.1:{shop.shop_port}/webhooks/stripe"
    answer = await shop.http.post(url, content=event, headers={"Stripe-Signature": "t=1,v1=00"})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert shop.keys() == before
