"""Journeys of customers who have a key, and of those who would like another's."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.adapters.telegram.pictures import decode
from tests.runners.bot.telegram import Customer, Shop
from tests.runners.bot.test_buying import picture, stock

from veilbot_core.domain.ids import SubscriptionId
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.bot.data import pack

Customers = Callable[..., Customer]


@pytest.fixture
async def owner(shop: Shop, customer: Customers) -> Customer:
    """Somebody who has bought a key."""
    ann = customer()
    await stock(shop)
    await ann.say("/buy")
    await ann.tap("Month")
    await ann.pay()
    await shop.settle()
    await ann.hears("ready")
    return ann


async def own(shop: Shop, owner: Customer) -> SubscriptionId:
    user = await shop.app.users.arrive(owner.chat, "", None)
    return (await shop.subscription(user)).id


class TestKeys:
    async def test_everything_about_a_key_is_on_one_card(self, shop: Shop, owner: Customer) -> None:
        await shop.advance(timedelta(days=2, hours=1))
        card = await owner.say("/keys")
        assert "✅ Until 31 January 2026, 12:00 UTC (28 days left)" in card
        assert "Traffic: 100 GB, nothing used yet" in card
        assert "🇳🇱 Netherlands · NL one" in card
        assert "mem://outline/" in card
        assert "https://veil.example/s/" in card
        assert card.count("https://mirror.example/s/") == 1
        assert owner.buttons == ["🔳 QR code", "♻️ New link", "🔄 Renew", "📱 How to connect", "« Menu"]

    async def test_a_limit_that_nobody_keeps_is_not_on_the_card(self, shop: Shop, owner: Customer) -> None:
        subscription_id = await own(shop, owner)

        def mix(uow: UnitOfWork) -> None:
            known = uow.subscriptions.lock(subscription_id)
            terms = replace(known.terms, protocols=(Protocol.OUTLINE, Protocol.V2RAY))
            uow.subscriptions.save(replace(known, terms=terms))

        await shop.out.storage.write(mix)
        card = await owner.say("/keys")
        assert "Traffic: 0 GB used" in card
        assert "100 GB" not in card

    @pytest.mark.parametrize(
        ("later", "left"),
        [
            (timedelta(seconds=5), "30 days left"),
            (timedelta(days=28, hours=23), "2 days left"),
            (timedelta(days=29), "24 hours left"),
            (timedelta(days=29, hours=22, minutes=59), "2 hours left"),
            (timedelta(days=29, hours=23), "less than an hour left"),
        ],
    )
    async def test_what_is_left_is_rounded_up(self, shop: Shop, owner: Customer, later: timedelta, left: str) -> None:
        await shop.advance(later)
        assert f"({left})" in await owner.say("/keys")

    async def test_the_picture_says_the_key(self, shop: Shop, owner: Customer) -> None:
        await owner.say("/keys")
        await owner.tap("QR")
        user = await shop.app.users.arrive(owner.chat, "", None)
        assert decode(await picture(owner)) == (await shop.holding(user)).keys[0].url

    async def test_the_buttons_under_the_ready_picture_work(self, owner: Customer) -> None:
        assert "Traffic" in await owner.tap("My keys")
        assert "How to connect" in await owner.tap("How to connect", message=owner.heard[-2])

    async def test_a_link_is_replaced_only_when_it_was_meant(self, shop: Shop, owner: Customer) -> None:
        user = await shop.app.users.arrive(owner.chat, "", None)
        before = (await shop.holding(user)).link
        await owner.say("/keys")
        assert "Replace the subscription link?" in await owner.tap("New link")
        assert before in await owner.tap("No, keep it")
        await owner.tap("New link")
        shown = await owner.tap("Yes")
        after = (await shop.holding(user)).link
        assert after != before
        assert after in shown
        assert before not in shown

    async def test_several_subscriptions_are_a_list(self, shop: Shop, owner: Customer) -> None:
        await owner.say("/buy")
        await owner.tap("another")
        await owner.tap("Month")
        await owner.pay()
        await shop.settle()
        assert "Your keys" in await owner.say("/keys")
        assert owner.buttons[:2] == ["Month · until 31 January"] * 2
        assert "Traffic" in await owner.tap("Month")

    async def test_time_tells_and_the_renew_button_of_a_reminder_works(self, shop: Shop, owner: Customer) -> None:
        await shop.advance(timedelta(days=27, hours=1))
        await owner.hears("ends within 3 days")
        assert "Renew Month" in await owner.tap("Renew")
        await shop.advance(timedelta(days=3))
        await owner.hears("has ended")
        assert "The key still works for a little while" in await owner.say("/keys")
        await shop.advance(timedelta(days=2))
        assert "Ended on 31 January" in await owner.say("/keys")

    async def test_a_vip_is_told_no_end(self, shop: Shop, owner: Customer) -> None:
        subscription_id = await own(shop, owner)

        def work(uow: UnitOfWork) -> None:
            uow.subscriptions.save(replace(uow.subscriptions.lock(subscription_id), vip=True))

        await shop.out.storage.write(work)
        assert "Without an end" in await owner.say("/keys")


class TestStrangers:
    @pytest.mark.parametrize("action", "sqxye")
    async def test_another_ones_subscription_is_nobodys(
        self, shop: Shop, owner: Customer, customer: Customers, action: str
    ) -> None:
        subscription_id = await own(shop, owner)
        before = await shop.holding(await shop.app.users.arrive(owner.chat, "", None))
        mallory = customer("Mallory")
        await mallory.say("/start")
        shown = await mallory.send_data(mallory.heard[-1], pack(action, subscription_id))
        assert shown == "I cannot find that any more. Please choose again."
        assert await shop.holding(await shop.app.users.arrive(owner.chat, "", None)) == before

    async def test_another_ones_subscription_cannot_be_renewed(
        self, shop: Shop, owner: Customer, customer: Customers
    ) -> None:
        (tariff,) = await shop.app.catalog.all()
        mallory = customer("Mallory")
        await mallory.say("/start")
        data = pack("p", await own(shop, owner), tariff.id)
        assert "I cannot find that" in await mallory.send_data(mallory.heard[-1], data)
        assert len(shop.gateway.checkouts) == 1

    @pytest.mark.parametrize(
        "data",
        [
            "?", "s", "sAAAA", "s" + "!" * 22, "b" + "A" * 21, "p" + "A" * 22, "b" + "A" * 22 + "junk", "é", "m\x00",
            "s" + "A" * 21 + "B", "i", "idos", "DROP TABLE users", "c" + "A" * 22 + "XYZ", "g" + "tlh", "x" * 64,
        ],
    )  # fmt: skip
    async def test_mutated_data_is_refused_politely(self, shop: Shop, owner: Customer, data: str) -> None:
        keys, orders = await shop.keys(), await shop.app.checkout.page(limit=10)
        await owner.say("/start")
        assert await owner.send_data(owner.heard[-1], data)
        assert owner.buttons
        assert (await shop.keys(), await shop.app.checkout.page(limit=10)) == (keys, orders)

    async def test_a_blocked_customer_buys_nothing_and_keeps_what_is_paid(self, shop: Shop, owner: Customer) -> None:
        user = await shop.app.users.arrive(owner.chat, "", None)
        await shop.app.users.block(user.id)
        assert await owner.say("/start") == await owner.say("/buy")
        assert "is closed" in owner.screen
        assert len(owner.buttons) == 1
        (key,) = await shop.keys()
        assert key.access_url is not None
        assert "Your key (tap to copy)" in await owner.tap("My keys")
        assert "is closed" in await owner.tap("Renew")
        await owner.say("/language")
        assert "Здравствуйте" in await owner.tap("Русский")
