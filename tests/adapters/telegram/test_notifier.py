"""The notifier on good and bad days of the sandbox's Bot API."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.adapters.telegram.pictures import decode
from tests.adapters.telegram.test_letters import KEY, READY
from tests.runners.bot.telegram import TEXTS, TOKEN, Telegram, open_telegram
from tests.waiting import PATIENCE

from veilbot_adapters.memory import MemoryClock, MemoryIds
from veilbot_adapters.resilience import Guard, Limits
from veilbot_adapters.telegram import BotApi, Pace, TelegramNotifier
from veilbot_core.domain.errors import Rejected, Unavailable
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.notifier import About, Alert, Delivery, Notice
from veilbot_runners.sandbox.telegram import Fault, FaultKind

CLOCK = MemoryClock()
USER = User(id=UserId(READY.subscription_id), telegram_id=77, name="A", language=Language.EN, created_at=CLOCK.now())  # type: ignore[arg-type]
PAID = replace(READY, notice=Notice.PAID)


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[Telegram]:
    async with open_telegram() as opened:
        yield opened


@pytest.fixture
def telegram(served: Telegram) -> Telegram:
    served.sandbox.faults.clear()
    served.sandbox.chats.all.clear()
    served.sandbox.chats.open(77)
    return served


@pytest.fixture
async def notifier(telegram: Telegram) -> AsyncIterator[TelegramNotifier]:
    made = make(telegram.base)
    yield made
    await made._api.close()


def make(base: str, *, attempts: int = 1, token: str = TOKEN, admins: tuple[int, ...] = ()) -> TelegramNotifier:
    limits = Limits(attempts=attempts, in_flight=32, timeout=PATIENCE, backoff=0)
    guard = Guard("telegram", CLOCK, MemoryIds(CLOCK), limits)
    return TelegramNotifier(BotApi(token, guard, Pace(CLOCK, 0), api_base=base), TEXTS, admin_ids=admins)


def said(telegram: Telegram, chat: int = 77) -> list[str]:
    return [m.get("text") or m["caption"] for m in telegram.sandbox.chats.all[chat].messages.values()]


class TestTelling:
    async def test_a_key_comes_with_its_picture(self, telegram: Telegram, notifier: TelegramNotifier) -> None:
        assert await notifier.tell(USER, READY) is Delivery.TOLD
        (message,) = telegram.sandbox.chats.all[77].messages.values()
        file = telegram.sandbox.files.get(message["photo"][-1]["file_id"])
        assert file is not None
        assert decode(file.content) == KEY.url
        assert KEY.url in message["caption"]
        labels = [button["text"] for row in message["reply_markup"]["inline_keyboard"] for button in row]
        assert labels == ["🔑 My keys", "📱 How to connect"]

    async def test_a_russian_reads_russian(self, telegram: Telegram, notifier: TelegramNotifier) -> None:
        await notifier.tell(USER, replace(PAID, language=Language.RU, tariff="Месяц <1>"))
        assert "Ключ по тарифу «Месяц <1>» готовится" in said(telegram)[0]

    async def test_who_has_no_chat_or_shut_it_is_unreachable(
        self, telegram: Telegram, notifier: TelegramNotifier
    ) -> None:
        assert await notifier.tell(replace(USER, telegram_id=404), PAID) is Delivery.UNREACHABLE
        telegram.sandbox.chats.all[77].blocked = True
        assert await notifier.tell(USER, READY) is Delivery.UNREACHABLE

    @pytest.mark.parametrize("kind", [FaultKind.BROKEN, FaultKind.DROP, FaultKind.LOST])
    async def test_trouble_is_unavailable_and_passes(
        self, telegram: Telegram, notifier: TelegramNotifier, kind: FaultKind
    ) -> None:
        telegram.sandbox.faults.arm(Fault(kind=kind))
        with pytest.raises(Unavailable) as failure:
            await notifier.tell(USER, PAID)
        assert TOKEN not in repr(failure.value) + str(failure.value.__cause__)
        assert await notifier.tell(USER, PAID) is Delivery.TOLD

    async def test_a_second_attempt_is_made_at_once(self, telegram: Telegram) -> None:
        notifier = make(telegram.base, attempts=2)
        telegram.sandbox.faults.arm(Fault(kind=FaultKind.DROP))
        assert await notifier.tell(USER, PAID) is Delivery.TOLD
        await notifier._api.close()

    async def test_nobody_is_told_during_a_pause(self, telegram: Telegram, notifier: TelegramNotifier) -> None:
        telegram.sandbox.faults.arm(Fault(kind=FaultKind.TOO_MANY, retry_after=7))
        for _ in range(3):
            with pytest.raises(Unavailable) as failure:
                await notifier.tell(USER, PAID)
            assert failure.value.retry_after == 7
        assert said(telegram) == []
        await CLOCK.advance(7)
        assert await notifier.tell(USER, PAID) is Delivery.TOLD

    @pytest.mark.usefixtures("telegram")
    async def test_a_refused_message_needs_a_person(self, notifier: TelegramNotifier) -> None:
        with pytest.raises(Rejected, match="message is too long"):
            await notifier.tell(USER, replace(PAID, tariff="x" * 5000))

    async def test_a_wrong_token_needs_a_person_and_is_not_told(self, telegram: Telegram) -> None:
        notifier = make(telegram.base, token="1:wrong-secret")
        with pytest.raises(Rejected) as failure:
            await notifier.tell(USER, PAID)
        assert "wrong-secret" not in str(failure.value)
        await notifier._api.close()

    async def test_nobody_at_that_address_is_unavailable(self) -> None:
        notifier = make("http://127.0.0.1:1")
        with pytest.raises(Unavailable) as failure:
            await notifier.tell(USER, PAID)
        assert TOKEN not in str(failure.value)
        await notifier._api.close()


class TestAlerts:
    async def test_every_operator_is_told_and_one_who_left_is_passed_over(self, telegram: Telegram) -> None:
        notifier = make(telegram.base, admins=(404, 77))
        await notifier.alert(Alert(code="order.held", subject=USER.id, about=About(order_id=USER.id, customer="<Ann>")))
        assert f"veilbot order retry {USER.id}" in said(telegram)[0]
        assert "<Ann>" in said(telegram)[0]
        await notifier._api.close()

    async def test_an_outage_is_told_so_that_all_are_told_again(self, telegram: Telegram) -> None:
        notifier = make(telegram.base, admins=(404, 77))
        telegram.sandbox.faults.arm(Fault(kind=FaultKind.BROKEN, chat_id=77))
        with pytest.raises(Unavailable):
            await notifier.alert(Alert(code="job.dead", subject=USER.id))
        await notifier._api.close()

    async def test_without_operators_it_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        await make("http://127.0.0.1:1").alert(Alert(code="job.dead", subject=USER.id))
        assert "no operator to tell: job.dead" in caplog.text


class TestPace:
    async def test_it_holds_back_what_is_too_fast(self) -> None:
        clock = MemoryClock()
        pace = Pace(clock, 10)
        passed: list[float] = []

        async def take() -> None:
            await pace.turn()
            passed.append(clock.monotonic())

        async with asyncio.TaskGroup() as group:
            for _ in range(22):
                group.create_task(take())
            await clock.settle()
            assert len(passed) == 3, "a burst goes at once"
            with pytest.raises(Unavailable) as failure:
                await pace.turn()
            await clock.advance(5)
        assert failure.value.retry_after == pytest.approx(2.0, abs=0.01)
        assert passed == sorted(passed)
        assert passed[-1] == pytest.approx(1.9)

    async def test_without_a_rate_nobody_waits(self) -> None:
        clock = MemoryClock()
        pace = Pace(clock, 0)
        for _ in range(1000):
            await pace.turn()
        assert clock.monotonic() == 0
