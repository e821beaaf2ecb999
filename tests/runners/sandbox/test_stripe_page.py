"""The page where a customer of the local Stripe pays."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.adapters.payments.served import ServedStripe, an_order, gateway_to, serve_stripe

from veilbot_runners.sandbox.stripe_pages import price


@pytest.fixture(scope="module")
async def once() -> AsyncIterator[ServedStripe]:
    async with serve_stripe() as served:
        yield served


@pytest.fixture
def served(once: ServedStripe) -> ServedStripe:
    once.heard.clear()
    return once


async def a_session(served: ServedStripe) -> str:
    async with gateway_to(served.api_base) as gateway:
        return (await gateway.open_checkout(an_order(name="A <b>month</b>"))).checkout_id


class TestPayPage:
    async def page(self, served: ServedStripe, session: str, **form: str) -> httpx.Response:
        path = f"/sandbox/stripe/pay/{session}"
        return await (served.http.post(path, data=form) if form else served.http.get(path))

    async def test_it_shows_what_is_bought(self, served: ServedStripe) -> None:
        page = await self.page(served, await a_session(served))
        assert page.status_code == 200
        assert "A &lt;b&gt;month&lt;/b&gt;" in page.text
        assert "Pay $4.99" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "src=" not in page.text
        assert "http://" not in page.text.replace("http://127.0.0.1", "")

    async def test_paying_tells_the_shop_and_leads_back(self, served: ServedStripe) -> None:
        session = await a_session(served)
        answer = await self.page(served, session, action="pay", card="4242 4242 4242 4242")
        assert answer.status_code == 303
        assert answer.headers["location"] == f"http://127.0.0.1:1/thanks?id={session}"
        assert len(served.heard) == 1
        again = await self.page(served, session, action="pay")
        assert (again.status_code, len(served.heard)) == (200, 1)
        assert 'class="complete"' in again.text

    @pytest.mark.parametrize("form", [{"action": "decline"}, {"action": "pay", "card": "4000 0000 0000 0002"}])
    async def test_a_declined_card_leaves_the_page_open(self, served: ServedStripe, form: dict[str, str]) -> None:
        session = await a_session(served)
        answer = await self.page(served, session, **form)
        assert (answer.status_code, 'class="declined"' in answer.text) == (402, True)
        assert served.sandbox.books.session(session).status == "open"

    async def test_turning_back_leads_back(self, served: ServedStripe) -> None:
        answer = await self.page(served, await a_session(served), action="cancel")
        assert (answer.status_code, answer.headers["location"]) == (303, "http://127.0.0.1:1/back")

    async def test_a_dead_or_unknown_page_says_so(self, served: ServedStripe) -> None:
        session = await a_session(served)
        await served.act(f"/sessions/{session}/expire")
        assert 'class="expired"' in (await self.page(served, session)).text
        assert (await self.page(served, "cs_none")).status_code == 404
        assert (await self.page(served, "cs_none", action="pay")).status_code == 404

    @pytest.mark.parametrize(
        ("amount", "currency", "shown"),
        [
            (499, "usd", "$4.99"),
            (49900, "rub", "499.00 ₽"),
            (500, "jpy", "¥500"),
            (500, "ugx", "5 UGX"),
            (5, "?", "5 ?"),
        ],
    )
    def test_prices_read_as_people_write_them(self, amount: int, currency: str, shown: str) -> None:
        assert price(amount, currency) == shown
