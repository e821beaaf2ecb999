"""Keys: wanted beside observed, and a ledger of traffic that never falls."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.storage.things import NOW, SECOND, a_key, a_server, a_subscription, a_tariff, a_user, new_id

from veilbot_core.domain.ids import OrderId, ServerId, SubscriptionId
from veilbot_core.domain.key import ABSENT, Key, KeyState
from veilbot_core.domain.secret import Sealed

THERE = KeyState(present=True)
LIMITED = KeyState(present=True, limit=10**9)
SUBSCRIPTION = a_subscription(a_user(), a_tariff())
SERVER = a_server()


def key(**changes: object) -> Key:
    return a_key(SUBSCRIPTION, SERVER, **changes)


class TestIdentity:
    def test_a_subscription_has_the_same_key_on_a_server_for_ever(self) -> None:
        subscription, server = SubscriptionId(new_id()), ServerId(new_id())
        assert Key.identify(subscription, server) == Key.identify(subscription, server)
        assert Key.identify(subscription, server).version == 5

    def test_another_server_or_subscription_is_another_key(self) -> None:
        ids = {Key.identify(SubscriptionId(new_id()), ServerId(new_id())) for _ in range(100)}
        assert len(ids) == 100


class TestSettled:
    @pytest.mark.parametrize(
        ("desired", "observed", "placed", "url", "settled"),
        [
            (THERE, ABSENT, True, None, False),
            (THERE, THERE, True, None, False),
            (THERE, THERE, True, Sealed(b"url"), True),
            (LIMITED, THERE, True, Sealed(b"url"), False),
            (THERE, LIMITED, True, Sealed(b"url"), False),
            (LIMITED, LIMITED, True, Sealed(b"url"), True),
            (ABSENT, THERE, True, Sealed(b"url"), False),
            (ABSENT, ABSENT, True, None, False),
            (ABSENT, ABSENT, False, Sealed(b"url"), True),
        ],
    )
    def test_the_server_has_what_we_want(
        self, *, desired: KeyState, observed: KeyState, placed: bool, url: Sealed | None, settled: bool
    ) -> None:
        assert key(desired=desired, observed=observed, placed=placed, access_url=url).settled is settled

    def test_wanting_the_same_changes_nothing(self) -> None:
        mine = key(desired=THERE, note="no")
        assert mine.want(THERE, NOW + SECOND) is mine

    def test_wanting_something_else_forgets_the_refusal(self) -> None:
        wanted = key(desired=THERE, note="no").want(ABSENT, NOW + SECOND)
        assert (wanted.desired, wanted.changed_at, wanted.note) == (ABSENT, NOW + SECOND, "")

    def test_seeing_without_an_address_keeps_the_known_one(self) -> None:
        seen = key(access_url=Sealed(b"url")).seen(ABSENT, NOW + SECOND)
        assert (seen.observed, seen.access_url, seen.changed_at) == (ABSENT, b"url", NOW + SECOND)
        assert seen.seen(THERE, NOW, Sealed(b"new")).access_url == b"new"

    def test_a_long_refusal_is_cut(self) -> None:
        assert key().refused("x" * 500, NOW).note == "x" * 200

    def test_a_place_and_an_order(self) -> None:
        order_id = OrderId(new_id())
        mine = key().place(held=True).await_for(order_id)
        assert (mine.placed, mine.order_id) == (True, order_id)
        assert not mine.place(held=False).placed

    def test_one_that_is_wanted_again_is_asked_for_again_because_it_may_have_been_taken_away(self) -> None:
        there = KeyState(present=True, limit=None)
        key = a_key(a_subscription(a_user(), a_tariff()), a_server(), placed=True).want(there, NOW)
        key = key.seen(there, NOW, Sealed(b"url"))
        again = key.want(ABSENT, NOW + SECOND).want(there, NOW + 2 * SECOND)
        assert key.settled
        assert not again.settled
        assert again.access_url == key.access_url


class TestCounter:
    def test_what_was_counted_since_is_added(self) -> None:
        assert key().metered(100, counts_up=True).metered(250, counts_up=True).used == 250

    def test_a_fall_is_a_restart_and_all_of_it_is_new(self) -> None:
        mine = key().metered(100, counts_up=True).metered(30, counts_up=True).metered(70, counts_up=True)
        assert (mine.used, mine.counter) == (170, 70)

    @given(epochs=st.lists(st.lists(st.integers(0, 10**12), min_size=1, max_size=6), max_size=6))
    def test_restarts_neither_lose_what_was_read_nor_count_it_twice(self, epochs: list[list[int]]) -> None:
        mine, spent = key(), 0
        for epoch in map(sorted, epochs):
            if epoch[0] >= mine.counter and mine.counter:
                continue  # a restart that has already counted more than before cannot be told
            for reading in epoch:
                grown = mine.metered(reading, counts_up=True)
                assert grown.used >= mine.used
                mine = grown
            spent += epoch[-1]
        assert mine.used == spent

    @given(readings=st.lists(st.integers(0, 10**12)))
    def test_the_same_reading_twice_adds_nothing(self, readings: list[int]) -> None:
        mine = key()
        for reading in readings:
            mine = mine.metered(reading, counts_up=True)
            assert mine.metered(reading, counts_up=True) == mine


class TestWindow:
    @given(readings=st.lists(st.integers(0, 10**12), min_size=1))
    def test_a_falling_window_leaves_the_ledger_at_its_highest(self, readings: list[int]) -> None:
        mine = key()
        for reading in readings:
            grown = mine.metered(reading, counts_up=False)
            assert grown.used >= mine.used
            mine = grown
        assert (mine.used, mine.counter) == (max(readings), readings[-1])

    def test_time_alone_changes_no_ledger(self) -> None:
        mine = key().metered(100, counts_up=False)
        assert mine.seen(THERE, NOW + timedelta(days=40)).used == 100
