"""Customers and the languages they read."""

from datetime import timedelta

import pytest
from tests.contracts.storage.things import NOW, a_user

from veilbot_core.domain.user import Language


class TestLanguage:
    @pytest.mark.parametrize("tag", ["ru", "ru-RU", "RU", "be", "uk-UA", "kk", "ky", "tg", "uz-Cyrl-UZ"])
    def test_the_neighbours_of_russia_read_russian(self, tag: str) -> None:
        assert Language.of(tag) is Language.RU

    @pytest.mark.parametrize("tag", [None, "", "en", "en-GB", "de", "rus", "-ru", "zh-Hans"])
    def test_everyone_else_reads_english(self, tag: str | None) -> None:
        assert Language.of(tag) is Language.EN


class TestUser:
    def test_a_second_block_keeps_the_first_moment(self) -> None:
        blocked = a_user().block(NOW)
        assert blocked.blocked_at == NOW
        assert blocked.block(NOW + timedelta(days=1)) == blocked

    def test_unblocking_undoes_it(self) -> None:
        user = a_user()
        assert user.block(NOW).unblock() == user
        assert user.unblock() == user

    def test_a_lost_customer_is_lost_since_the_first_time(self) -> None:
        lost = a_user().lost(NOW)
        assert lost.unreachable_at == NOW
        assert lost.lost(NOW + timedelta(days=1)) == lost
