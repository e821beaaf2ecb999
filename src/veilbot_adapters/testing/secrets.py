"""The contract of the secrets port."""

from uuid import UUID

import pytest

from veilbot_core.domain.errors import Rejected
from veilbot_core.domain.secret import Sealed
from veilbot_core.ports.secrets import Secrets

ROW, OTHER = UUID(int=7), UUID(int=8)
TEXT = "ss://Y2hhY2hhMjA@198.51.100.7:443/?outline=1"


class SecretsContract:
    """`Secrets` seal texts of any length, each for one row; whatever was altered does not open.

    ``subject`` is the port itself.
    """

    @pytest.fixture
    def subject(self) -> Secrets:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    def test_is_a_port(self, subject: Secrets) -> None:
        assert isinstance(subject, Secrets)

    @pytest.mark.parametrize("text", [TEXT, "", "ключ \N{KEY} \0", "x" * 100_000])
    def test_what_was_sealed_opens(self, subject: Secrets, text: str) -> None:
        assert subject.open(subject.seal(text, ROW), ROW) == text

    def test_what_is_sealed_cannot_be_read(self, subject: Secrets) -> None:
        assert subject.seal(TEXT, ROW).find(b"198.51.100.7") == -1

    def test_it_does_not_open_for_another_row(self, subject: Secrets) -> None:
        with pytest.raises(Rejected):
            subject.open(subject.seal(TEXT, ROW), OTHER)

    def test_no_altered_byte_goes_unseen(self, subject: Secrets) -> None:
        sealed = subject.seal(TEXT, ROW)
        for place in range(len(sealed)):
            altered = bytearray(sealed)
            altered[place] ^= 1
            with pytest.raises(Rejected):
                subject.open(Sealed(bytes(altered)), ROW)

    def test_no_missing_byte_goes_unseen(self, subject: Secrets) -> None:
        sealed = subject.seal(TEXT, ROW)
        for length in range(len(sealed)):
            with pytest.raises(Rejected):
                subject.open(Sealed(sealed[:length]), ROW)

    def test_what_was_just_sealed_is_not_stale(self, subject: Secrets) -> None:
        assert not subject.stale(subject.seal(TEXT, ROW))

    @pytest.mark.parametrize("foreign", [b"", b"\x01", b"nothing sealed here"])
    def test_what_was_never_sealed_here_is_stale(self, subject: Secrets, foreign: bytes) -> None:
        assert subject.stale(Sealed(foreign))

    def test_a_refusal_shows_nothing(self, subject: Secrets) -> None:
        sealed = subject.seal(TEXT, ROW)
        with pytest.raises(Rejected) as refusal:
            subject.open(sealed, OTHER)
        assert "198.51" not in str(refusal.value)
        assert refusal.value.__cause__ is None
