"""The contract of the secrets port, over every adapter of it."""

import pytest

from veilbot_adapters.memory import MemorySecrets
from veilbot_adapters.sealing import SealingSecrets, new_key
from veilbot_adapters.testing.secrets import SecretsContract
from veilbot_core.ports.secrets import Secrets


class TestMemory(SecretsContract):
    @pytest.fixture
    def subject(self) -> Secrets:
        return MemorySecrets()


class TestSealing(SecretsContract):
    @pytest.fixture
    def subject(self) -> Secrets:
        return SealingSecrets([new_key(), new_key()])
