"""Jobs, facts, and the work that follows from a fact."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.storage.things import NOW, SECOND, new_id

from veilbot_core.domain.events import FOLLOW_UPS, EventType
from veilbot_core.domain.ids import derive
from veilbot_core.domain.jobs import DELAYS, SCHEDULES, Job, JobKind, backoff
from veilbot_core.domain.policy import Policy


class TestJob:
    def test_asking_twice_is_the_same_job(self) -> None:
        subject = new_id()
        first = Job.ask(JobKind.FULFIL_ORDER, subject, NOW)
        assert first.id == Job.ask(JobKind.FULFIL_ORDER, subject, NOW + SECOND).id
        assert first.due == NOW

    def test_kind_subject_and_detail_tell_jobs_apart(self) -> None:
        subject = new_id()
        jobs = {
            Job.identify(JobKind.ALERT, subject),
            Job.identify(JobKind.ALERT, subject, "order.held"),
            Job.identify(JobKind.APPLY_KEY, subject),
            Job.identify(JobKind.ALERT, new_id()),
        }
        assert len(jobs) == 4

    def test_it_can_be_due_later(self) -> None:
        assert Job.ask(JobKind.CLOSE_ORDER, new_id(), NOW, due=NOW + SECOND).due == NOW + SECOND


class TestBackoff:
    @pytest.mark.parametrize(
        ("attempts", "least", "most"), [(1, 0.5, 1), (2, 1, 2), (3, 2, 4), (7, 30, 60), (99, 30, 60)]
    )
    def test_it_doubles_up_to_a_minute(self, attempts: int, least: float, most: float) -> None:
        assert backoff(attempts, 0) == timedelta(seconds=least)
        assert backoff(attempts, 1) == timedelta(seconds=most)

    @given(attempts=st.integers(0, 10**6), spread=st.floats(0, 1))
    def test_it_is_never_nothing_and_never_more_than_a_minute(self, attempts: int, spread: float) -> None:
        assert timedelta() < backoff(attempts, spread) <= timedelta(seconds=60)


class TestFacts:
    def test_every_follow_up_is_done_by_a_job_about_the_facts_subject(self) -> None:
        assert {kind for kinds in FOLLOW_UPS.values() for kind in kinds}.isdisjoint(SCHEDULES)
        assert FOLLOW_UPS[EventType.ORDER_PAID] == (JobKind.FULFIL_ORDER, JobKind.TELL_PAID)

    def test_the_names_are_nouns_and_past_tense(self) -> None:
        assert all(name.count(".") == 1 and name.islower() for name in EventType)

    def test_only_the_promise_of_a_key_waits_a_moment(self) -> None:
        assert dict(DELAYS) == {JobKind.TELL_PAID: timedelta(seconds=3)}


class TestPolicy:
    def test_every_schedule_has_its_interval(self) -> None:
        assert set(Policy().every) == SCHEDULES
        assert all(interval > timedelta() for interval in Policy().every.values())

    def test_a_checkout_lives_as_long_as_stripe_allows(self) -> None:
        assert timedelta(minutes=30) <= Policy().order_ttl <= timedelta(hours=24)


class TestDerivedIds:
    @given(parts=st.lists(st.one_of(st.integers(), st.uuids())))
    def test_equal_parts_give_the_equal_id(self, parts: list[object]) -> None:
        assert derive(*parts) == derive(*parts)

    def test_the_ids_are_the_same_in_every_version(self) -> None:
        assert str(derive("key", 1, 2)) == "dde31fdf-6b08-5781-8368-b56d99f54b1b"
