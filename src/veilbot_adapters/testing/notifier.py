"""The contract of the notifier port."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from veilbot_core.domain.errors import Unavailable
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.money import Money
from veilbot_core.domain.user import Language, User
from veilbot_core.ports.notifier import About, Access, Alert, Delivery, Message, Notice, Notifier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
USER = User(id=UserId(UUID(int=1)), telegram_id=7, name="Ann", language=Language.EN, created_at=NOW)
"""The customer; only ``telegram_id`` 7 leads to her."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierSubject:
    """A notifier with one operator, who has a chat, as `USER` has."""

    notifier: Notifier
    told: Callable[[], int]
    """Return how many messages reached `USER`."""
    alerted: Callable[[], int]
    """Return how many reached the operator."""
    break_once: Callable[[], None]
    """Let the next message be refused for 3 seconds."""
    block: Callable[[], None]
    """Let `USER` want to hear no more."""
    wait: Callable[[float], Awaitable[None]]
    """Let so many seconds pass for the notifier."""


def message(notice: Notice, language: Language) -> Message:
    """Return a message with all that its text may need."""
    return Message(
        notice=notice,
        language=language,
        tariff="Month",
        ends_at=NOW,
        link="http://127.0.0.1/s/token",
        keys=(Access(name="Amsterdam", country="NL", url="ss://secret"),),
        money=Money(amount=499, currency="USD"),
        subscription_id=UUID(int=5),
        reminder="1d",
    )


@pytest.mark.asyncio
class NotifierContract:
    """A `Notifier` has words for every notice in every language, and tells who is out of reach from who is for now."""

    @pytest.fixture
    def subject(self) -> NotifierSubject:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_notifier(self, subject: NotifierSubject) -> None:
        assert isinstance(subject.notifier, Notifier)

    @pytest.mark.parametrize("language", list(Language))
    @pytest.mark.parametrize("notice", list(Notice))
    async def test_every_notice_can_be_told_in_every_language(
        self, subject: NotifierSubject, notice: Notice, language: Language
    ) -> None:
        assert await subject.notifier.tell(USER, message(notice, language)) is Delivery.TOLD
        assert subject.told() >= 1

    async def test_a_customer_without_a_chat_is_unreachable(self, subject: NotifierSubject) -> None:
        stranger = replace(USER, telegram_id=None)
        assert await subject.notifier.tell(stranger, message(Notice.PAID, Language.EN)) is Delivery.UNREACHABLE

    async def test_a_customer_who_blocked_us_is_unreachable(self, subject: NotifierSubject) -> None:
        subject.block()
        assert await subject.notifier.tell(USER, message(Notice.PAID, Language.EN)) is Delivery.UNREACHABLE
        assert subject.told() == 0

    async def test_what_was_not_told_can_be_told_again(self, subject: NotifierSubject) -> None:
        subject.break_once()
        with pytest.raises(Unavailable) as failure:
            await subject.notifier.tell(USER, message(Notice.READY, Language.RU))
        assert failure.value.retry_after == 3
        await subject.wait(3)
        assert await subject.notifier.tell(USER, message(Notice.READY, Language.RU)) is Delivery.TOLD

    async def test_operators_are_alerted(self, subject: NotifierSubject) -> None:
        about = About(reason="paid 3.00 USD instead of 4.99 USD", customer="Ann", order_id=UUID(int=9), since=NOW)
        await subject.notifier.alert(Alert(code="order.held", subject=UUID(int=9), about=about))
        assert subject.alerted() == 1
