"""The end of a subscription is a fold over its grants."""

from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.storage.things import NOW, a_grant, a_subscription, a_tariff, a_user

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.subscription import Grant, fold

SUBSCRIPTION = a_subscription(a_user(), a_tariff())
DAY = timedelta(days=1)


def grant(days: int, at: datetime = NOW, taken_back: int = 0) -> Grant:
    return a_grant(SUBSCRIPTION, days=days, at=at, taken_back=taken_back)


GRANTS = st.lists(
    st.builds(
        lambda days, back, hours: grant(days, NOW + timedelta(hours=hours), min(days, back)),
        st.integers(1, 400),
        st.integers(0, 400),
        st.integers(0, 24 * 900),
    ),
    max_size=12,
)


class TestFold:
    def test_no_grants_have_no_end(self) -> None:
        assert fold([]) is None

    def test_a_renewal_before_the_end_adds_to_it(self) -> None:
        assert fold([grant(30), grant(30, NOW + 10 * DAY)]) == NOW + 60 * DAY

    def test_a_renewal_after_the_end_begins_when_it_was_given(self) -> None:
        assert fold([grant(30), grant(30, NOW + 40 * DAY)]) == NOW + 70 * DAY

    def test_two_renewals_at_one_moment_add_up(self) -> None:
        assert fold([grant(30), grant(30), grant(7)]) == NOW + 67 * DAY

    def test_what_was_taken_back_does_not_count(self) -> None:
        assert fold([grant(30, taken_back=30), grant(30, NOW + 10 * DAY)]) == NOW + 40 * DAY

    @given(grants=GRANTS, seed=st.integers())
    def test_the_order_of_insertion_does_not_matter(self, grants: list[Grant], seed: int) -> None:
        shuffled = list(grants)
        Random(seed).shuffle(shuffled)
        assert fold(shuffled) == fold(grants)

    @given(grants=GRANTS, days=st.integers(1, 400), hours=st.integers(0, 24 * 900))
    def test_one_more_grant_never_brings_the_end_nearer(self, grants: list[Grant], days: int, hours: int) -> None:
        more = [*grants, grant(days, NOW + timedelta(hours=hours))]
        before, after = fold(grants), fold(more)
        assert after is not None
        assert before is None or after >= before

    @given(grants=GRANTS.filter(bool))
    def test_the_newest_grant_adds_all_of_its_days(self, grants: list[Grant]) -> None:
        last = max(g.at for g in grants)
        before, after = fold(grants), fold([*grants, grant(30, last)])
        assert before is not None
        assert after == max(before, last) + 30 * DAY

    @given(grants=GRANTS.filter(bool))
    def test_days_are_never_granted_out_of_nothing(self, grants: list[Grant]) -> None:
        end = fold(grants)
        assert end is not None
        assert end <= max(g.at for g in grants) + DAY * sum(g.days - g.taken_back for g in grants)
        assert end >= max(g.at for g in grants)

    @given(grants=GRANTS.filter(bool), which=st.integers(0), refunded=st.integers(0, 2000))
    def test_a_refund_brings_the_end_nearer_by_at_most_its_days(
        self, grants: list[Grant], which: int, refunded: int
    ) -> None:
        chosen = grants[which % len(grants)]
        shrunk = chosen.shrink(max(refunded, chosen.taken_back * 1000 // chosen.days), 1000)
        before, after = fold(grants), fold([shrunk if g is chosen else g for g in grants])
        assert before is not None
        assert after is not None
        lost = max(0, shrunk.taken_back - chosen.taken_back)
        assert before - DAY * lost <= after
        assert after <= before or shrunk.taken_back < chosen.taken_back


class TestGrant:
    @pytest.mark.parametrize(("days", "back"), [(0, 0), (-1, 0), (36501, 0), (30, 31), (30, -1)])
    def test_a_grant_of_nothing_or_more_than_it_is_is_refused(self, days: int, back: int) -> None:
        with pytest.raises(InvalidInput):
            grant(days, taken_back=back)

    @pytest.mark.parametrize(
        ("refunded", "paid", "back"),
        [(0, 499, 0), (1, 499, 0), (17, 499, 1), (250, 499, 15), (249, 499, 14), (499, 499, 30), (998, 499, 30)],
    )
    def test_a_refund_takes_its_share_rounded_for_the_customer(self, refunded: int, paid: int, back: int) -> None:
        assert grant(30).shrink(refunded, paid).taken_back == back

    def test_a_refund_of_what_nothing_was_paid_for_takes_all(self) -> None:
        assert grant(30).shrink(1, 0).taken_back == 30

    @given(days=st.integers(1, 36500), paid=st.integers(1, 10**9), first=st.integers(0), second=st.integers(0))
    def test_shrinking_tells_the_whole_story_and_gives_nothing_back(
        self, days: int, paid: int, first: int, second: int
    ) -> None:
        once = grant(days)
        twice = once.shrink(first, paid).shrink(second, paid)
        assert twice == once.shrink(max(first, second), paid)
        assert 0 <= twice.taken_back <= days
        assert twice.taken_back * paid <= days * max(first, second)
