"""Callback data that no button of ours has: nothing of another customer is shown, changed, or broken."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.runners.bot.telegram import SECRET, TEXTS, Shop, Telegram, make_bot
from tests.runners.bot.test_buying import stock

from veilbot_core.domain.user import Language, User
from veilbot_core.ports.storage import UnitOfWork
from veilbot_runners.bot import TelegramBot

_ACTIONS = "mtnbcepksqxyhilgo"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_STRANGE = st.one_of(st.text(max_size=64), st.text(alphabet=_ACTIONS + _ALPHABET, max_size=64))


@dataclass(kw_only=True)
class Stage:
    """A shop with two customers who both have keys; the first of them taps."""

    shop: Shop
    bot: TelegramBot
    users: list[User]
    number: int = 0
    own: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    async def tap(self, data: str, chat: int) -> str:
        """Tap; return all that is said to it."""
        self.number += 1
        await self.shop.out.clock.advance(61)  # nobody is too fast
        person = {"id": chat, "is_bot": False, "first_name": "A", "language_code": "en"}
        about = {"message_id": 7, "date": 1, "chat": {"id": chat, "type": "private"}, "text": "x"}
        query = {"id": "1", "from": person, "chat_instance": "1", "data": data, "message": about}
        body = json.dumps({"update_id": self.number, "callback_query": query}).encode()
        before = len(self.shop.telegram.sandbox.chats.open(chat, "A").messages)
        reply = await self.bot.feed(body, SECRET)
        sent = list(self.shop.telegram.sandbox.chats.all[chat].messages.values())[before:]
        return json.dumps([reply, sent], default=str, ensure_ascii=False)

    async def buttons(self, chat: int) -> list[str]:
        """Tap everything that can be reached; return the data of each button."""
        known, left = list[str](), ["m", "t", "k", "h", "l"]
        while left:
            data = left.pop()
            known.append(data)
            found = json.loads(await self.tap(data, chat))
            rows = chain.from_iterable(_keyboards(found))
            new = {button["callback_data"] for button in chain.from_iterable(rows) if "callback_data" in button}
            left += sorted(new - {*known, *left})
        return known

    async def things(self, user: User) -> Any:
        """Return all that a customer has."""

        def look(uow: UnitOfWork) -> Any:
            subscriptions = uow.subscriptions.of_user(user.id)
            return (
                uow.users.get(user.id),
                subscriptions,
                uow.keys.page(limit=100, user_id=user.id),
                uow.orders.page(limit=100, user_id=user.id),
                uow.payments.page(limit=100, user_id=user.id),
                [uow.subscriptions.grants(one.id) for one in subscriptions],
            )

        return await self.shop.out.storage.read(look)


def _keyboards(found: Any) -> list[Any]:
    if isinstance(found, dict):
        here = [found["inline_keyboard"]] if "inline_keyboard" in found else []
        return [*here, *chain.from_iterable(_keyboards(inner) for inner in found.values())]
    return list(chain.from_iterable(_keyboards(inner) for inner in found)) if isinstance(found, list) else []


@pytest.fixture(scope="module")
async def stage(served: Telegram) -> AsyncIterator[Stage]:
    shop = Shop(served)
    await stock(shop, "NL", "DE")
    made = Stage(shop=shop, bot=make_bot(shop.app, served, shop.api, webhook=True), users=[])
    (tariff, *_) = await shop.app.catalog.on_sale("USD")
    for chat in (9501, 9502):
        user = await shop.app.users.arrive(chat, "A", "en")
        made.users.append(user)
        await shop.buy(user, tariff, country="NL")
    made.own, made.foreign = await made.buttons(9501), await made.buttons(9502)
    yield made
    await made.bot.close()
    await shop.close()


async def test_every_action_is_among_the_buttons(stage: Stage) -> None:
    assert {data[0] for data in stage.own} == set(_ACTIONS)
    assert len(set(stage.foreign) - set(stage.own)) >= 5, "the other customer's own buttons"


async def test_another_customers_buttons_find_nothing(stage: Stage) -> None:
    """Pictures show no text to look for, so it is the sentence that counts."""
    for data in sorted(set(stage.foreign) - set(stage.own)):
        said = json.loads(await stage.tap(data, 9501))
        assert any(TEXTS(language, "error-not-found") in str(said) for language in Language), data
        assert "sendPhoto" not in str(said)
        assert not any("photo" in message for message in said[1]), data


def mutated(data: str, draw: st.DrawFn) -> str:
    """Change a button's data as somebody who plays with it would."""
    how = draw(st.sampled_from(["flip", "action", "cut", "grow", "repeat", "as it is"]))
    if how == "flip":
        place = draw(st.integers(0, len(data) - 1))
        return data[:place] + draw(st.sampled_from(_ALPHABET)) + data[place + 1 :]
    if how == "action":
        return draw(st.sampled_from(_ACTIONS)) + data[1:]
    if how == "cut":
        return data[: draw(st.integers(0, len(data)))]
    if how == "grow":
        return data + draw(_STRANGE)
    return data + data[1:] if how == "repeat" else data


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_nothing_of_another_customer_is_shown_or_changed(stage: Stage, data: st.DataObject) -> None:
    choice = data.draw(st.sampled_from([*stage.foreign, *stage.own]) | _STRANGE)
    mutate = st.composite(lambda draw: mutated(choice, draw) if choice else choice)
    tapped = data.draw(mutate())
    other = stage.users[1]
    before = await stage.things(other)
    said = await stage.tap(tapped, 9501)
    assert not any(TEXTS(language, "unexpected", reference="")[:25] in said for language in Language), tapped
    assert await stage.things(other) == before, tapped
    (holding,) = await stage.shop.app.subscriptions.of_user(other.id)
    assert holding.link.rpartition("/")[2] not in said, tapped
    assert not any(key.url in said for key in holding.keys), tapped
    (mine,) = await stage.shop.app.subscriptions.of_user(stage.users[0].id)
    assert mine.keys, "and its own is still there"
