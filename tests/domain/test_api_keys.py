"""API keys and their scopes."""

import pytest
from tests.contracts.storage.things import NOW, SECOND, an_api_key

from veilbot_core.domain.apikey import SCOPES
from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.secret import digest


class TestScopes:
    @pytest.mark.parametrize(
        ("held", "asked", "may"),
        [
            ("users:read", "users:read", True),
            ("users:read", "users:write", False),
            ("users:write", "users:read", True),
            ("users:write", "users:write", True),
            ("users:write", "billing:read", False),
            ("*", "admin:write", True),
            ("admin:write", "*", False),
            ("vpn:read", "vpn", False),
        ],
    )
    def test_write_includes_read_and_the_star_everything(self, *, held: str, asked: str, may: bool) -> None:
        assert an_api_key(scopes=frozenset({held})).may(asked) is may

    @pytest.mark.parametrize("scopes", [set(), {"users"}, {"users:delete"}, {"users:read", "nonsense"}])
    def test_a_scope_that_nobody_checks_is_refused(self, scopes: set[str]) -> None:
        with pytest.raises(InvalidInput) as refusal:
            an_api_key(scopes=frozenset(scopes))
        assert refusal.value.field == "scopes"

    def test_every_module_has_two_rights(self) -> None:
        assert len(SCOPES) == 9


class TestLife:
    @pytest.mark.parametrize("name", ["", "x" * 65, "a\nb"])
    def test_a_name_is_needed(self, name: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            an_api_key(name=name)
        assert refusal.value.field == "name"

    def test_it_ends_at_its_end(self) -> None:
        key = an_api_key(expires_at=NOW + SECOND)
        assert key.live(NOW)
        assert not key.live(NOW + SECOND)

    def test_it_is_revoked_once_and_for_ever(self) -> None:
        key = an_api_key().revoke(NOW)
        assert not key.live(NOW)
        assert key.revoke(NOW + SECOND) == key


class TestDigest:
    def test_it_is_sha_256(self) -> None:
        assert digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
