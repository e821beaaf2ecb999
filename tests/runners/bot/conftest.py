"""One sandbox for the run, a shop per test."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from tests.runners.bot.telegram import Customer, Shop, Telegram, open_telegram, polling

_CHATS = itertools.count(1000)


@pytest.fixture(scope="session")
async def served() -> AsyncIterator[Telegram]:
    async with open_telegram() as opened:
        yield opened


@pytest.fixture
def telegram(served: Telegram) -> Iterator[Telegram]:
    yield served
    served.sandbox.faults.clear()
    served.sandbox.updates.drop()


@pytest.fixture
async def shop(telegram: Telegram) -> AsyncIterator[Shop]:
    """A shop whose bot polls."""
    made = Shop(telegram)
    async with polling(made):
        yield made
    await made.close()
    await made.prove()


@pytest.fixture
def customer(shop: Shop) -> Callable[..., Customer]:
    """Make customers of the shop."""

    def make(name: str = "Ann Lee", language: str = "en") -> Customer:
        return Customer(shop=shop, chat=next(_CHATS), name=name, language=language)

    return make


@pytest.fixture
def ann(customer: Callable[..., Customer]) -> Customer:
    return customer()
