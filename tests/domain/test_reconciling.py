"""Comparing a server with what we want of it."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.storage.things import NOW, SECOND, a_key, a_server, a_subscription, a_tariff, a_user

from veilbot_core.domain.key import ABSENT, Key, KeyState
from veilbot_core.domain.reconciling import Report, compare, observation
from veilbot_core.domain.secret import Sealed

SERVER = a_server()
THERE = KeyState(present=True)
BEGAN = NOW + timedelta(minutes=1)


def key(**changes: object) -> Key:
    values = {"desired": THERE, "observed": THERE, "placed": True, "access_url": Sealed(b"url")}
    return a_key(a_subscription(a_user(), a_tariff()), SERVER, **values | changes)


def look(keys: list[Key], limits: dict[str, int | None], removals: int = 50) -> Report:
    return compare(SERVER.id, keys, limits, began=BEGAN, removals=removals)


class TestCompare:
    def test_a_server_that_has_what_we_want_agrees(self) -> None:
        mine = key()
        report = look([mine], {str(mine.id): None})
        assert report.agreed
        assert (report.wanted, report.foreign, report.withheld) == (1, (), 0)

    def test_a_wanted_key_that_is_gone_is_missing(self) -> None:
        mine = key()
        report = look([mine], {})
        assert report.missing == (mine.id,)
        assert not report.agreed

    def test_a_wanted_key_that_never_came_is_missing_too(self) -> None:
        mine = key(observed=ABSENT, access_url=None)
        assert look([mine], {}).missing == (mine.id,)

    def test_a_key_that_is_not_wanted_is_surplus(self) -> None:
        mine = key(desired=ABSENT, observed=ABSENT, placed=False)
        assert look([mine], {str(mine.id): None}).surplus == (mine.id,)

    def test_another_limit_differs(self) -> None:
        mine = key(desired=KeyState(present=True, limit=5))
        assert look([mine], {str(mine.id): None}).differing == (mine.id,)
        assert look([mine], {str(mine.id): 4}).differing == (mine.id,)
        assert look([mine], {str(mine.id): 5}).agreed

    def test_a_key_that_changed_while_we_looked_is_left_to_its_own_job(self) -> None:
        gone, extra = key(changed_at=BEGAN), key(desired=ABSENT, changed_at=BEGAN + SECOND)
        report = look([gone, extra], {str(extra.id): None})
        assert report.agreed
        assert report.foreign == ()

    def test_what_is_not_ours_is_only_named(self) -> None:
        report = look([], {"7": None, "0": 3})
        assert report.foreign == ("0", "7")
        assert report.agreed

    def test_removals_beyond_the_cap_wait(self) -> None:
        mine = [key(desired=ABSENT) for _ in range(5)]
        report = look(mine, {str(k.id): None for k in mine}, removals=2)
        assert (len(report.surplus), report.withheld) == (5, 3)

    @given(data=st.data())
    def test_every_key_is_in_at_most_one_list_and_none_is_foreign(self, data: st.DataObject) -> None:
        states = st.sampled_from([ABSENT, THERE, KeyState(present=True, limit=9)])
        moments = st.sampled_from([NOW, BEGAN, BEGAN + SECOND])
        mine = [
            key(desired=data.draw(states), observed=data.draw(states), changed_at=data.draw(moments))
            for _ in range(data.draw(st.integers(0, 6)))
        ]
        limits = {str(k.id): data.draw(st.sampled_from([None, 9])) for k in mine if data.draw(st.booleans())}
        report = look(mine, limits | {"foreign": None})
        found = [*report.missing, *report.surplus, *report.differing]
        assert len(found) == len(set(found))
        assert set(found) <= {k.id for k in mine}
        assert report.foreign == ("foreign",)


class TestObservation:
    def test_it_is_what_the_server_has(self) -> None:
        mine = key()
        assert observation(mine, {}) == ABSENT
        assert observation(mine, {str(mine.id): None}) == THERE
        assert observation(mine, {str(mine.id): 5}) == KeyState(present=True, limit=5)
