"""Module links."""

import base64
import hashlib
import re
from uuid import UUID

import httpx
import pytest
from tests.runners.api.world import World, open_world

from veilbot_core.domain.ids import KeyId, ServerId, SubscriptionId
from veilbot_core.domain.user import Language
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.api import Rate
from veilbot_runners.api.links.texts import WORDS, language, size

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
RUSSIAN = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}


async def _with_traffic(world: World) -> tuple[str, str]:
    """Let a customer use half of a limited subscription; return its link and the access URL."""
    user, tariff = await world.user(), await world.tariff(name="Месяц <b>", traffic_limit=10 * 10**9, device_limit=3)
    server = await world.server("Амстердам & Co")
    await world.pay(await world.order(user, tariff))
    await world.work()
    [key] = (await world.get("/api/v1/vpn/keys"))["items"]
    server_id, key_id = ServerId(server["id"]), KeyId(key["id"])

    def use(uow: UnitOfWork) -> None:
        [known] = uow.keys.page(limit=1)
        uow.keys.save_usage([(known, known.metered(5 * 10**9, counts_up=True))])

    await world.storage.write(use)
    [subscription] = (await world.get("/api/v1/vpn/subscriptions"))["items"]
    return await world.link(subscription), world.vpn.url(server_id, key_id)


async def test_an_app_gets_a_list_and_what_it_shows(world: World) -> None:
    path, url = await _with_traffic(world)
    for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answer = await world.call("GET", path, headers=accept)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert base64.b64decode(answer.text).decode().splitlines() == [url]
    headers = answer.headers
    assert headers["subscription-userinfo"] == "upload=0; download=5000000000; total=10000000000; expire=1769860800"
    assert base64.b64decode(headers["profile-title"].removeprefix("base64:")).decode() == "Месяц <b>"
    assert (headers["profile-update-interval"], headers["support-url"]) == ("12", "https://t.me/help")
    assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")


async def test_a_browser_gets_a_page_that_loads_nothing(world: World) -> None:
    path, url = await _with_traffic(world)
    await world.speak(Language.RU)
    page = await world.call("GET", path, headers=BROWSER | {"Accept-Language": "en-US,en;q=0.9"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.count(url) == 2
    assert f'data-length="{len(url)}"' in page.text
    assert "Месяц &lt;b&gt;" in page.text
    assert "🇳🇱 Амстердам &amp; Co" in page.text
    assert "31 января 2026, 12:00\u00a0UTC" in page.text
    assert "5 ГБ из 10 ГБ" in page.text
    assert not any(loader in page.text for loader in ("src=", "<link", "@import", "url(", "http-equiv"))
    policy = page.headers["content-security-policy"]
    for tag in ("style", "script"):
        [block] = re.findall(f"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        assert base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() in policy
    assert "unsafe" not in policy
    await world.speak(Language.EN)
    english = await world.call("GET", path, headers=BROWSER | RUSSIAN)
    assert "31 January 2026, 12:00\u00a0UTC" in english.text


async def test_a_page_about_a_customer_speaks_their_language_and_others_the_browsers(world: World) -> None:
    path = await world.link(await world.bought())
    await world.speak(Language.RU)
    await world.clock.advance(31 * 86400)
    ended = await world.call("GET", path, headers=BROWSER)
    assert (ended.status_code, WORDS[Language.RU]["ended_title"] in ended.text) == (410, True)
    for unknown in ("/s/" + "x" * 22, "/s/short", "/paid", "/canceled"):
        page = await world.call("GET", unknown, headers=BROWSER | RUSSIAN)
        assert '<html lang="ru">' in page.text
        assert '<html lang="en">' in (await world.call("GET", unknown, headers=BROWSER)).text


async def test_a_key_that_is_coming_is_said_to_come(world: World) -> None:
    user, tariff = await world.user(), await world.tariff()
    await world.server()
    gift = {"user_id": user["id"], "tariff_id": tariff["id"], "days": 10}
    path = await world.link(await world.post("/api/v1/vpn/keys", 201, json=gift))
    assert "on its way" in (await world.call("GET", path, headers=BROWSER)).text
    assert (await world.call("GET", path)).text == ""


@pytest.mark.parametrize(
    ("language", "said"), [(Language.EN, "10 GB, nothing used yet"), (Language.RU, "10 ГБ, пока ничего не потрачено")]
)
async def test_unused_traffic_is_said_to_be_unused(world: World, language: Language, said: str) -> None:
    user, tariff = await world.user(), await world.tariff(traffic_limit=10 * 10**9)
    await world.server()
    await world.pay(await world.order(user, tariff))
    await world.work()
    await world.speak(language)
    [subscription] = (await world.get("/api/v1/vpn/subscriptions"))["items"]
    assert said in (await world.call("GET", await world.link(subscription), headers=BROWSER)).text


async def test_grace_then_gone(world: World) -> None:
    path = await world.link(await world.bought())
    await world.clock.advance(30 * 86400)
    grace = await world.call("GET", path, headers=BROWSER)
    assert "1 February 2026, 12:00\u00a0UTC" in grace.text
    await world.clock.advance(86400)
    page = await world.call("GET", path, headers=BROWSER)
    assert (page.status_code, "mem://" in page.text) == (410, False)
    assert (await world.get(path, 410))["code"] == "ended"


async def test_a_disputed_subscription_is_paused(world: World) -> None:
    subscription = await world.bought()
    path = await world.link(subscription)

    def freeze(uow: UnitOfWork) -> None:
        known = uow.subscriptions.lock(SubscriptionId(UUID(subscription["id"])))
        uow.subscriptions.save(known.freeze(world.clock.now()))

    await world.storage.write(freeze)
    assert "disputed" in (await world.call("GET", path, headers=BROWSER)).text


async def test_wrong_and_replaced_links_are_the_same(world: World) -> None:
    subscription = await world.bought()
    old = await world.link(subscription)
    [known] = await world.application.subscriptions.page(limit=1)
    await world.application.subscriptions.rotate(known.id)
    wrong = ["/s/" + "x" * 22, "/s/short", "/s/" + "x" * 5000, "/s/%00", "/s/%ff%fe"]
    for headers in (BROWSER, {}):
        answers: set[tuple[int, str, str]] = set()
        for path in [old, *wrong]:
            answer: httpx.Response = await world.call("GET", path, headers=headers | {"X-Request-ID": "same"})
            answers.add((answer.status_code, answer.text, answer.headers["content-type"]))
        assert len(answers) == 1, answers
        assert answers.pop()[0] == 404
    assert (await world.call("GET", await world.link(subscription))).status_code == 200


async def test_an_address_that_opens_many_links_waits() -> None:
    async with open_world(rate=Rate(links=2)) as world:
        path = "/s/" + "x" * 22
        statuses = [(await world.call("GET", path)).status_code for _ in range(3)]
        assert statuses == [404, 404, 429]


async def test_without_a_drawer_and_support_the_page_has_neither() -> None:
    async with open_world(qr=None, support_url=None) as world:
        path = await world.link(await world.bought())
        page = await world.call("GET", path, headers=BROWSER)
        assert "<svg" not in page.text
        assert "Help" not in page.text
        assert "support-url" not in (await world.call("GET", path)).headers


async def test_back_from_the_payment_page(world: World) -> None:
    for path, word in (("/paid", "confirmed"), ("/canceled", "left")):
        assert word in (await world.call("GET", path)).text


@pytest.mark.parametrize(
    ("accept", "tongue"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("uk-UA,uk;q=0.9", "ru"),
        ("en;q=0.5,ru;q=0.9", "ru"),
        ("de,ru;q=0.1", "en"),
        (";q=x,,ru", "en"),
        ("ru;q=nonsense,en", "en"),
    ],
)
def test_the_language_is_what_the_browser_likes_best(accept: str, tongue: str) -> None:
    assert language(accept) == tongue


def test_every_language_says_everything() -> None:
    assert WORDS[Language.EN].keys() == WORDS[Language.RU].keys()
    assert size(1_500_000_000, Language.RU) == "1,5 ГБ"
    assert size(999_999, Language.EN) == "0 MB"
