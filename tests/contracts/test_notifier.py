"""The contract of the notifier port."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from tests.runners.bot.telegram import TEXTS, TOKEN, Telegram, open_telegram

from veilbot_adapters.memory import MemoryClock, MemoryIds, MemoryNotifier
from veilbot_adapters.resilience import Guard
from veilbot_adapters.telegram import BotApi, Pace, TelegramNotifier
from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.notifier import Access, Delivery, Message, Notice, Notifier
from veilbot_runners.sandbox.telegram import Fault, FaultKind

OPERATOR = 1
USER = User(id=UserId(UUID(int=1)), telegram_id=7, name="Ann", language=Language.EN, created_at=MemoryClock().now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A notifier, how many messages reached `USER`, how many alerts the operators, and what it can suffer.

    ``wait`` lets as many seconds pass for it.
    """

    notifier: Notifier
    told: Callable[[], int]
    alerted: Callable[[], int]
    break_once: Callable[[], None]
    block: Callable[[], None]
    wait: Callable[[float], Awaitable[None]]


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Telegram]:
    async with open_telegram() as opened:
        yield opened


@pytest.fixture(params=["memory", "telegram"])
async def subject(request: pytest.FixtureRequest, served: Telegram) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield in_memory()
        return
    clock = MemoryClock()
    guard = Guard("telegram", clock, MemoryIds(clock))
    api = BotApi(TOKEN, guard, Pace(clock, 0), api_base=served.base)
    yield over_telegram(TelegramNotifier(api, TEXTS, admin_ids=(OPERATOR,)), served, clock)
    await api.close()


def in_memory() -> Subject:
    notifier = MemoryNotifier()
    return Subject(
        notifier=notifier,
        told=lambda: len(notifier.told_to(USER.id)),
        alerted=lambda: len(notifier.alerts),
        break_once=lambda: notifier.fail_next(Unavailable(retry_after=3)),
        block=lambda: notifier.unreachable(USER.id),
        wait=MemoryClock().advance,
    )


def over_telegram(notifier: TelegramNotifier, telegram: Telegram, clock: MemoryClock) -> Subject:
    sandbox = telegram.sandbox
    sandbox.faults.clear()
    sandbox.chats.all.clear()
    assert USER.telegram_id is not None
    customer, operator = sandbox.chats.open(USER.telegram_id), sandbox.chats.open(OPERATOR)
    return Subject(
        notifier=notifier,
        told=lambda: len(customer.messages),
        alerted=lambda: len(operator.messages),
        break_once=lambda: sandbox.faults.arm(Fault(kind=FaultKind.TOO_MANY, retry_after=3)),
        block=lambda: setattr(customer, "blocked", True),
        wait=clock.advance,
    )


def message(notice: Notice, language: Language) -> Message:
    return Message(
        notice=notice,
        language=language,
        tariff="Month",
        ends_at=MemoryClock().now(),
        link="http://127.0.0.1/s/token",
        keys=(Access(name="Amsterdam", country="NL", url="ss://secret"),),
        subscription_id=UUID(int=5),
        reminder="1d",
    )


class TestNotifier:
    def test_is_a_notifier(self, subject: Subject) -> None:
        assert isinstance(subject.notifier, Notifier)

    @pytest.mark.parametrize("language", list(Language))
    @pytest.mark.parametrize("notice", list(Notice))
    async def test_every_notice_can_be_told_in_every_language(
        self, subject: Subject, notice: Notice, language: Language
    ) -> None:
        assert await subject.notifier.tell(USER, message(notice, language)) is Delivery.TOLD
        assert subject.told() >= 1

    async def test_a_customer_without_a_chat_is_unreachable(self, subject: Subject) -> None:
        stranger = replace(USER, telegram_id=None)
        assert await subject.notifier.tell(stranger, message(Notice.PAID, Language.EN)) is Delivery.UNREACHABLE

    async def test_a_customer_who_blocked_us_is_unreachable(self, subject: Subject) -> None:
        subject.block()
        assert await subject.notifier.tell(USER, message(Notice.PAID, Language.EN)) is Delivery.UNREACHABLE
        assert subject.told() == 0

    async def test_what_was_not_told_can_be_told_again(self, subject: Subject) -> None:
        subject.break_once()
        with pytest.raises(Unavailable) as failure:
            await subject.notifier.tell(USER, message(Notice.READY, Language.RU))
        assert failure.value.retry_after == 3
        await subject.wait(3)
        assert await subject.notifier.tell(USER, message(Notice.READY, Language.RU)) is Delivery.TOLD

    async def test_operators_are_alerted(self, subject: Subject) -> None:
        await subject.notifier.alert("order.held", UUID(int=9), "paid 3.00 USD instead of 4.99 USD")
        assert subject.alerted() == 1
