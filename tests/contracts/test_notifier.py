"""The contract of the notifier port, over every notifier."""

from collections.abc import AsyncIterator

import pytest
from tests.runners.bot.telegram import TEXTS, TOKEN, Telegram, open_telegram

from veilbot_adapters.memory import MemoryClock, MemoryIds, MemoryNotifier
from veilbot_adapters.resilience import Guard
from veilbot_adapters.telegram import BotApi, Pace, TelegramNotifier
from veilbot_adapters.testing.notifier import USER, NotifierContract, NotifierSubject
from veilbot_core.domain.errors import Unavailable
from veilbot_runners.sandbox.telegram import Fault, FaultKind

OPERATOR = 1


class TestMemory(NotifierContract):
    @pytest.fixture
    def subject(self) -> NotifierSubject:
        notifier = MemoryNotifier()
        return NotifierSubject(
            notifier=notifier,
            told=lambda: len(notifier.told_to(USER.id)),
            alerted=lambda: len(notifier.alerts),
            break_once=lambda: notifier.fail_next(Unavailable(retry_after=3)),
            block=lambda: notifier.unreachable(USER.id),
            wait=MemoryClock().advance,
        )


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Telegram]:
    async with open_telegram() as opened:
        yield opened


class TestTelegram(NotifierContract):
    @pytest.fixture
    async def subject(self, served: Telegram) -> AsyncIterator[NotifierSubject]:
        clock = MemoryClock()
        guard = Guard("telegram", clock, MemoryIds(clock))
        api = BotApi(TOKEN, guard, Pace(clock, 0), api_base=served.base)
        sandbox = served.sandbox
        sandbox.faults.clear()
        sandbox.chats.all.clear()
        assert USER.telegram_id is not None
        customer, operator = sandbox.chats.open(USER.telegram_id), sandbox.chats.open(OPERATOR)
        yield NotifierSubject(
            notifier=TelegramNotifier(api, TEXTS, admin_ids=(OPERATOR,)),
            told=lambda: len(customer.messages),
            alerted=lambda: len(operator.messages),
            break_once=lambda: sandbox.faults.arm(Fault(kind=FaultKind.TOO_MANY, retry_after=3)),
            block=lambda: setattr(customer, "blocked", True),
            wait=clock.advance,
        )
        await api.close()
