"""The choice of a server is a pure function."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.storage.things import NOW, SECOND, a_server

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus, keeps, rank, serves
from veilbot_core.domain.tariff import Protocol, Terms

MONTH = Terms(name="Month", days=30)


def servers() -> st.SearchStrategy[Server]:
    return st.builds(
        lambda capacity, reserved, weight, status, down: a_server(
            capacity=capacity, reserved=reserved, weight=weight, status=status, down_since=NOW if down else None
        ),
        st.integers(0, 50),
        st.integers(0, 60),
        st.integers(1, 10_000),
        st.sampled_from(ServerStatus),
        st.booleans(),
    )


class TestServer:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "x" * 65),
            ("name", "a\x00b"),
            ("country", "nl"),
            ("country", "NLD"),
            ("country", "N1"),
            ("country", "ÄÖ"),
            ("capacity", -1),
            ("capacity", 1_000_001),
            ("weight", 0),
            ("weight", 10_001),
        ],
    )
    def test_what_could_not_be_chosen_or_shown_is_refused(self, field: str, value: object) -> None:
        with pytest.raises(InvalidInput) as refusal:
            a_server(**{field: value})
        assert refusal.value.field == field

    def test_free_places_are_never_less_than_none(self) -> None:
        assert a_server(capacity=3, reserved=1).free == 2
        assert a_server(capacity=3, reserved=5).free == 0

    @pytest.mark.parametrize(
        ("changes", "takes"),
        [
            ({}, True),
            ({"status": ServerStatus.DRAINING}, False),
            ({"status": ServerStatus.DISABLED}, False),
            ({"down_since": NOW}, False),
            ({"reserved": 10}, False),
            ({"capacity": 0}, False),
        ],
    )
    def test_only_an_active_answering_server_with_room_takes_keys(
        self,
        changes: dict[str, object],
        takes: bool,  # noqa: FBT001 - a case of the table
    ) -> None:
        assert a_server(**changes).open is takes

    def test_turning_changes_only_the_status(self) -> None:
        server = a_server()
        assert server.turn(ServerStatus.DRAINING).turn(ServerStatus.ACTIVE) == server

    def test_the_first_failed_probe_is_remembered_until_one_succeeds(self) -> None:
        server = a_server()
        down = server.probed(healthy=False, at=NOW)
        assert down.down_since == NOW
        assert down.probed(healthy=False, at=NOW + SECOND) == down
        assert down.probed(healthy=True, at=NOW + SECOND) == server


class TestServes:
    @pytest.mark.parametrize(
        ("access", "vip", "paid", "allowed"),
        [
            (AccessLevel.ALL, False, False, True),
            (AccessLevel.PAID, False, False, False),
            (AccessLevel.PAID, False, True, True),
            (AccessLevel.PAID, True, False, True),
            (AccessLevel.VIP, False, True, False),
            (AccessLevel.VIP, True, False, True),
        ],
    )
    def test_access_levels(self, *, access: AccessLevel, vip: bool, paid: bool, allowed: bool) -> None:
        assert serves(a_server(access=access), MONTH, country=None, vip=vip, paid=paid) is allowed

    def test_the_protocol_the_country_and_the_group_count(self) -> None:
        server = a_server(country="DE", group="fast", protocol=Protocol.V2RAY)
        terms = Terms(name="Month", days=30, protocols=(Protocol.V2RAY,), groups=("slow", "fast"))
        assert serves(server, terms, country="DE", vip=False)
        assert serves(server, terms, country=None, vip=False)
        assert not serves(server, terms, country="NL", vip=False)
        assert not serves(server, MONTH, country="DE", vip=False)
        elsewhere = Terms(name="Month", days=30, protocols=(Protocol.V2RAY,), groups=("slow",))
        assert not serves(server, elsewhere, country="DE", vip=False)

    def test_a_full_or_hidden_server_still_serves_what_it_has(self) -> None:
        server = a_server(capacity=1, reserved=1, status=ServerStatus.DRAINING, down_since=NOW)
        assert serves(server, MONTH, country=None, vip=False)


class TestKeeps:
    @pytest.mark.parametrize(
        ("changes", "kept"),
        [
            ({}, True),
            ({"reserved": 10}, True),
            ({"capacity": 0}, True),
            ({"down_since": NOW}, True),
            ({"status": ServerStatus.DRAINING}, True),
            ({"status": ServerStatus.DISABLED}, False),
            ({"group": "elsewhere"}, False),
            ({"access": AccessLevel.VIP}, False),
            ({"country": "DE"}, False),
            ({"protocol": Protocol.V2RAY}, False),
        ],
        ids=str,
    )
    def test_only_the_terms_and_being_disabled_take_a_key_from_its_server(
        self,
        changes: dict[str, object],
        kept: bool,  # noqa: FBT001 - a case of the table
    ) -> None:
        terms = replace(MONTH, groups=("here",))
        assert keeps(a_server(**{"group": "here"} | changes), terms, country="NL", vip=False) is kept


class TestRank:
    def test_most_free_weighted_places_first_and_ties_by_id(self) -> None:
        first, second = a_server(), a_server()
        roomy, heavy, full = a_server(capacity=20), a_server(weight=300), a_server(reserved=10)
        assert rank([full, second, first, roomy, heavy]) == [heavy, roomy, first, second]

    @given(fleet=st.lists(servers(), max_size=12), seed=st.randoms())
    def test_the_order_of_asking_does_not_matter(self, fleet: list[Server], seed: object) -> None:
        shuffled = list(fleet)
        seed.shuffle(shuffled)  # type: ignore[attr-defined]
        ranked = rank(fleet)
        assert ranked == rank(shuffled)
        assert set(ranked) == {server for server in fleet if server.open}
        assert [s.free * s.weight for s in ranked] == sorted((s.free * s.weight for s in ranked), reverse=True)
