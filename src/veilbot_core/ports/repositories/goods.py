"""What is sold, and the servers that it runs on."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from veilbot_core.domain.ids import ServerId, TariffId
from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff


@runtime_checkable
class Tariffs(Protocol):
    """What is sold; there are few."""

    @abstractmethod
    def get(self, tariff_id: TariffId) -> Tariff:
        """Return the tariff. Raises NotFound."""

    @abstractmethod
    def all(self) -> Sequence[Tariff]:
        """Return every tariff, archived ones too, oldest first."""

    @abstractmethod
    def add(self, tariff: Tariff) -> None:
        """Insert. Raises AlreadyExists."""

    @abstractmethod
    def save(self, tariff: Tariff) -> None:
        """Write a changed tariff. Raises NotFound."""


@runtime_checkable
class Servers(Protocol):
    """VPN servers; there are few."""

    @abstractmethod
    def get(self, server_id: ServerId) -> Server:
        """Return the server. Raises NotFound."""

    @abstractmethod
    def lock(self, server_id: ServerId) -> Server:
        """Return the server for a change. Raises NotFound."""

    @abstractmethod
    def all(self) -> Sequence[Server]:
        """Return every server, oldest first."""

    @abstractmethod
    def add(self, server: Server) -> None:
        """Insert. Raises AlreadyExists for a known id or name."""

    @abstractmethod
    def save(self, server: Server) -> None:
        """Write a changed server, all but ``reserved``. Raises NotFound."""

    @abstractmethod
    def take_place(self, server_id: ServerId) -> bool:
        """Reserve one place in one conditional statement; False when it is full, not active or unknown."""

    @abstractmethod
    def free_place(self, server_id: ServerId) -> None:
        """Give one place back; never below zero."""
