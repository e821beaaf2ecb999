"""The contract of the secrets port."""

from uuid import UUID

import pytest

from veilbot_adapters.memory import MemorySecrets
from veilbot_adapters.sealing import SealingSecrets, new_key
from veilbot_core.domain.errors import Rejected
from veilbot_core.domain.secret import Sealed
from veilbot_core.ports.secrets import Secrets

ROW, OTHER = UUID(int=7), UUID(int=8)
TEXT = "ss://Y2hhY2hhMjA@198.51.100.7:443/?outline=1"


@pytest.fixture(params=["memory", "sealing"])
def secrets(request: pytest.FixtureRequest) -> Secrets:
    return MemorySecrets() if request.param == "memory" else SealingSecrets([new_key(), new_key()])


class TestSecrets:
    def test_is_a_port(self, secrets: Secrets) -> None:
        assert isinstance(secrets, Secrets)

    @pytest.mark.parametrize("text", [TEXT, "", "ключ \N{KEY} \0", "x" * 100_000])
    def test_what_was_sealed_opens(self, secrets: Secrets, text: str) -> None:
        assert secrets.open(secrets.seal(text, ROW), ROW) == text

    def test_what_is_sealed_cannot_be_read(self, secrets: Secrets) -> None:
        assert secrets.seal(TEXT, ROW).find(b"198.51.100.7") == -1

    def test_it_does_not_open_for_another_row(self, secrets: Secrets) -> None:
        with pytest.raises(Rejected):
            secrets.open(secrets.seal(TEXT, ROW), OTHER)

    def test_no_altered_byte_goes_unseen(self, secrets: Secrets) -> None:
        sealed = secrets.seal(TEXT, ROW)
        for place in range(len(sealed)):
            altered = bytearray(sealed)
            altered[place] ^= 1
            with pytest.raises(Rejected):
                secrets.open(Sealed(bytes(altered)), ROW)

    def test_no_missing_byte_goes_unseen(self, secrets: Secrets) -> None:
        sealed = secrets.seal(TEXT, ROW)
        for length in range(len(sealed)):
            with pytest.raises(Rejected):
                secrets.open(Sealed(sealed[:length]), ROW)

    def test_a_refusal_shows_nothing(self, secrets: Secrets) -> None:
        sealed = secrets.seal(TEXT, ROW)
        with pytest.raises(Rejected) as refusal:
            secrets.open(sealed, OTHER)
        assert "198.51" not in str(refusal.value)
        assert refusal.value.__cause__ is None
