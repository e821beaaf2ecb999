"""Journeys of customers who buy, over the sandbox's Bot API."""

from collections.abc import Callable
from datetime import timedelta

from tests.adapters.telegram.pictures import decode
from tests.runners.bot.telegram import Customer, Shop

from veilbot_core.domain.errors import Unavailable

Customers = Callable[..., Customer]


async def stock(shop: Shop, *countries: str) -> None:
    await shop.tariff(name="Month", traffic_limit=100 * 10**9)
    for country in countries or ("NL",):
        await shop.server(country=country, name=f"{country} one", capacity=5)


async def picture(customer: Customer) -> bytes:
    (shown,) = [message for message in customer.heard if "photo" in message][-1:]
    file = customer.shop.telegram.sandbox.files.get(shown["photo"][-1]["file_id"])
    assert file is not None
    return file.content


class TestStart:
    async def test_a_stranger_is_greeted_by_name_in_english(self, ann: Customer) -> None:
        assert (await ann.say("/start")).startswith("Hello, Ann!")
        assert ann.buttons == ["🚀 Buy access", "🔑 My keys", "❓ Help", "🌍 Language"]

    async def test_a_russian_app_is_greeted_in_russian(self, customer: Customers) -> None:
        boris = customer("Борис", "ru")
        assert "Здравствуйте, Борис!" in await boris.say("/start promo")
        assert "🚀 Получить доступ" in boris.buttons

    async def test_a_name_cannot_be_markup(self, customer: Customers) -> None:
        mallory = customer("<b>&</b>")
        assert "Hello, <b>&</b>!" in await mallory.say("/start")

    async def test_words_that_nobody_understands_get_the_menu(self, ann: Customer) -> None:
        assert "only understand the buttons" in await ann.say("what is the meaning of life?")
        assert "🚀 Buy access" in ann.buttons

    async def test_buttons_may_be_written(self, ann: Customer) -> None:
        assert "You have no key yet" in await ann.say("my keys")
        assert "How to connect" in await ann.say("❓ Помощь")

    async def test_the_language_can_be_changed(self, ann: Customer) -> None:
        await ann.say("/language")
        assert "Здравствуйте" in await ann.tap("Русский")
        assert "У вас пока нет ключа" in await ann.say("/keys")

    async def test_help_has_steps_for_every_device(self, ann: Customer) -> None:
        assert "@veil_help" in await ann.say("/help")
        for device in ("iPhone", "Android", "Windows", "Mac", "Linux"):
            assert "Outline" in await ann.tap(device)
            await ann.tap("Back")


class TestBuying:
    async def test_one_country_is_not_asked_for_and_the_key_comes_as_a_picture(self, shop: Shop, ann: Customer) -> None:
        await stock(shop)
        await ann.say("/start")
        tariffs = await ann.tap("Buy")
        assert "Month: $4.99" in tariffs
        assert "30 days, 100 GB" in tariffs
        pay = await ann.tap("Month")
        assert "To pay: $4.99" in pay
        assert "🇳🇱 Netherlands" in pay
        await ann.pay()
        await shop.settle()
        ready = await ann.hears("Your access is ready")
        user = await shop.app.users.arrive(ann.chat, "", None)
        url = (await shop.holding(user)).keys[0].url
        assert url in ready
        assert "https://veil.example/s/" in ready
        assert "31 January 2026, 12:00 UTC" in ready
        assert decode(await picture(ann)) == url
        assert len(ann.heard) == 2, "the screens were edited in place"

    async def test_several_countries_are_asked_for(self, shop: Shop, ann: Customer) -> None:
        await stock(shop, "NL", "DE")
        await ann.say("/buy")
        assert "Where should your server be?" in await ann.tap("Month")
        assert "Server: 🇩🇪 Germany" in await ann.tap("Germany")
        await ann.pay()
        await shop.settle()
        assert "🇩🇪 Germany" in await ann.hears("ready")

    async def test_nothing_on_sale_is_said(self, ann: Customer) -> None:
        assert "Nothing is on sale" in await ann.say("/buy")

    async def test_out_of_stock_is_told_before_money(self, shop: Shop, ann: Customer) -> None:
        await shop.tariff(name="Month")
        await ann.say("/buy")
        assert "All places are taken" in await ann.tap("Month")
        assert not shop.gateway.checkouts

    async def test_a_full_country_is_told_too(self, shop: Shop, ann: Customer) -> None:
        await stock(shop, "NL", "DE")
        await ann.say("/buy")
        await ann.tap("Month")
        for server in await shop.app.fleet.all():
            shop.vpn.down(server.id)
        await shop.app.fleet.probe(None)  # type: ignore[arg-type]
        assert "All places are taken" in await ann.tap("Germany")

    async def test_a_server_that_is_down_makes_the_key_late_not_lost(self, shop: Shop, ann: Customer) -> None:
        await stock(shop)
        (server,) = await shop.app.fleet.all()
        await ann.say("/buy")
        await ann.tap("Month")
        shop.vpn.down(server.id)
        await ann.pay()
        await shop.advance(timedelta(seconds=10))
        assert "is being made" in await ann.hears("payment is here")
        await ann.say("/keys")
        assert "Your key is being made" in ann.screen
        shop.vpn.up(server.id)
        await shop.advance(timedelta(minutes=5))
        await ann.hears("Your access is ready")

    async def test_a_provider_that_is_down_is_told(self, shop: Shop, ann: Customer) -> None:
        await stock(shop)
        shop.gateway.fail_next(Unavailable())
        await ann.say("/buy")
        assert "does not answer right now. Nothing was charged" in await ann.tap("Month")

    async def test_a_second_purchase_is_offered_as_a_renewal_first(self, shop: Shop, ann: Customer) -> None:
        await stock(shop)
        await ann.say("/buy")
        await ann.tap("Month")
        await ann.pay()
        await shop.settle()
        await ann.hears("ready")
        await shop.advance(timedelta(hours=1))
        assert "You already have access" in await ann.say("/buy")
        assert [label[:8] for label in ann.buttons] == ["🔄 Renew ", "➕ Buy an", "« Menu"]
        await ann.tap("Renew Month")
        assert "Renew Month" in await ann.tap("Month · $4.99")
        await ann.pay()
        await shop.settle()
        assert "2 March 2026" in await ann.hears("Renewed, thank you")
        await ann.say("/buy")
        assert "Choose a plan" in await ann.tap("another")
