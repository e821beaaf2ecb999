"""What a subscription is worth at a moment, and when time next asks something of it."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.storage.things import NOW, SECOND, a_subscription, a_tariff, a_user, new_id

from veilbot_core.domain.ids import TariffId
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.subscription import Reminder, Standing, Subscription
from veilbot_core.domain.tariff import Terms

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GRACE = timedelta(hours=24)
END = NOW + 30 * DAY


def subscription(**changes: object) -> Subscription:
    return a_subscription(a_user(), a_tariff(), **{"ends_at": END} | changes)


def checks(sub: Subscription, start: datetime) -> list[tuple[datetime, Reminder | None]]:
    """Follow ``next_check`` until nothing more is to come, with the reminder that each moment asks for."""
    seen, now = [], start
    while (moment := sub.next_check(now, GRACE)) is not None:
        expired = sub.standing(moment, GRACE) is Standing.EXPIRED
        seen.append((moment, None if expired else sub.reminder(moment)))
        now = moment
    return seen


class TestStanding:
    @pytest.mark.parametrize(
        ("moment", "standing"),
        [
            (NOW, Standing.ACTIVE),
            (END - SECOND, Standing.ACTIVE),
            (END, Standing.GRACE),
            (END + GRACE - SECOND, Standing.GRACE),
            (END + GRACE, Standing.EXPIRED),
        ],
    )
    def test_it_ends_after_its_grace(self, moment: datetime, standing: Standing) -> None:
        sub = subscription()
        assert sub.standing(moment, GRACE) is standing
        assert sub.wants_keys(moment, GRACE) is (standing is not Standing.EXPIRED)

    def test_a_vip_never_ends(self) -> None:
        assert subscription(vip=True).standing(END + 9999 * DAY, GRACE) is Standing.ACTIVE

    def test_a_frozen_one_is_worth_nothing_for_now(self) -> None:
        frozen = subscription(vip=True).freeze(NOW)
        assert frozen.standing(NOW, GRACE) is Standing.FROZEN
        assert not frozen.wants_keys(NOW, GRACE)
        assert frozen.freeze(NOW + DAY) == frozen
        assert frozen.thaw().standing(NOW, GRACE) is Standing.ACTIVE


class TestNextCheck:
    def test_a_month_is_looked_at_once_per_stage_and_at_the_end_of_grace(self) -> None:
        assert checks(subscription(), NOW) == [
            (END - 3 * DAY, Reminder.THREE_DAYS),
            (END - DAY, Reminder.ONE_DAY),
            (END - HOUR, Reminder.ONE_HOUR),
            (END, Reminder.ENDED),
            (END + GRACE, None),
        ]

    def test_a_short_tariff_has_only_the_stages_that_are_to_come(self) -> None:
        day = subscription(ends_at=NOW + DAY)
        assert [stage for _, stage in checks(day, NOW)] == [Reminder.ONE_HOUR, Reminder.ENDED, None]
        three = subscription(ends_at=NOW + 3 * DAY)
        assert [stage for _, stage in checks(three, NOW)] == [
            Reminder.ONE_DAY,
            Reminder.ONE_HOUR,
            Reminder.ENDED,
            None,
        ]

    def test_a_missed_moment_asks_only_for_the_latest_stage(self) -> None:
        assert subscription().reminder(END - timedelta(minutes=1)) is Reminder.ONE_HOUR

    def test_before_the_first_stage_there_is_nothing_to_say(self) -> None:
        assert subscription().reminder(END - 3 * DAY - SECOND) is None

    @pytest.mark.parametrize("sub", [subscription(vip=True), subscription(frozen_at=NOW)])
    def test_a_vip_and_a_frozen_one_are_not_reminded(self, sub: Subscription) -> None:
        assert all(sub.reminder(moment) is None for moment in (END - DAY, END, END + DAY))

    @given(minutes=st.integers(0, 60 * 24 * 60))
    def test_every_check_lies_ahead_and_the_last_is_the_end_of_grace(self, minutes: int) -> None:
        now = NOW + timedelta(minutes=minutes)
        ahead = checks(subscription(), now)
        moments = [moment for moment, _ in ahead]
        assert moments == sorted(set(moments))
        assert all(moment > now for moment in moments)
        assert (moments[-1] == END + GRACE) if now < END + GRACE else not moments

    @given(days=st.integers(1, 400), minutes=st.integers(0, 60 * 24 * 400))
    def test_each_stage_comes_at_most_once_per_end(self, days: int, minutes: int) -> None:
        sub = subscription(ends_at=NOW + days * DAY)
        stages = [stage for _, stage in checks(sub, NOW + timedelta(minutes=minutes)) if stage is not None]
        assert len(stages) == len(set(stages))


class TestChanges:
    def test_another_end_brings_its_own_next_check(self) -> None:
        moved = subscription(check_at=None).until(NOW + 60 * DAY, NOW, GRACE)
        assert (moved.ends_at, moved.check_at) == (NOW + 60 * DAY, NOW + 57 * DAY)
        assert moved.until(NOW - 2 * DAY, NOW, GRACE).check_at is None

    def test_renewing_takes_the_terms_that_were_bought_last(self) -> None:
        tariff_id, terms = TariffId(new_id()), Terms(name="Year", days=365)
        renewed = subscription().renew(tariff_id, terms)
        assert (renewed.tariff_id, renewed.terms) == (tariff_id, terms)

    def test_a_new_link_replaces_the_old_one(self) -> None:
        rotated = subscription().rotate(Sealed(b"new"), "digest")
        assert (rotated.token, rotated.token_digest) == (b"new", "digest")
