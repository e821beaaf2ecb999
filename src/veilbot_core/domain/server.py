"""Server: a VPN server, and the choice of one."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.ids import ServerId
from veilbot_core.domain.secret import Sealed
from veilbot_core.domain.tariff import Protocol, Terms


class ServerStatus(StrEnum):
    """What the operator wants of a server."""

    ACTIVE = "active"
    DRAINING = "draining"
    """Serves the keys it has, takes no new ones."""
    DISABLED = "disabled"
    """Is not called at all."""


class AccessLevel(StrEnum):
    """Who may get a key on a server."""

    ALL = "all"
    PAID = "paid"
    VIP = "vip"


def check_country(country: str) -> None:
    """Refuse what is no country code."""
    if len(country) != 2 or not (country.isascii() and country.isupper() and country.isalpha()):
        raise InvalidInput("a country is two capital letters (ISO 3166-1)", field="country")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A VPN server; how to reach and trust it is sealed."""

    id: ServerId
    name: str
    protocol: Protocol
    country: str
    """ISO 3166-1 alpha-2."""
    endpoint: Sealed
    """The JSON object that the protocol's adapter understands (address, secrets, trust), sealed under the id."""
    capacity: int
    reserved: int = 0
    """Places taken; changed only by the storage, in the statement that takes or frees one."""
    weight: int = 100
    access: AccessLevel = AccessLevel.ALL
    group: str = ""
    status: ServerStatus = ServerStatus.ACTIVE
    down_since: datetime | None = None
    """Since when probes fail; None while it answers."""
    created_at: datetime

    def __post_init__(self) -> None:
        """Refuse a server that could not be chosen or shown."""
        if not self.name.strip() or len(self.name) > 64 or not self.name.isprintable():
            raise InvalidInput("a server's name has 1 to 64 printable characters", field="name")
        check_country(self.country)
        if not 0 <= self.capacity <= 1_000_000:
            raise InvalidInput("a capacity is 0 to 1000000 keys", field="capacity")
        if not 1 <= self.weight <= 10_000:
            raise InvalidInput("a weight is 1 to 10000", field="weight")

    @property
    def free(self) -> int:
        """How many more keys fit."""
        return max(0, self.capacity - self.reserved)

    @property
    def open(self) -> bool:
        """Whether it takes new keys now."""
        return self.status is ServerStatus.ACTIVE and self.down_since is None and self.free > 0

    def turn(self, status: ServerStatus) -> "Server":
        """Return it with another status."""
        return replace(self, status=status)

    def resize(self, capacity: int) -> "Server":
        """Return it with room for another number of keys; fewer than it has are no reason for one to go."""
        return replace(self, capacity=capacity)

    def probed(self, *, healthy: bool, at: datetime) -> "Server":
        """Remember what a probe found; the first failure's time stays until it answers again."""
        return replace(self, down_since=None if healthy else (self.down_since or at))


def serves(server: Server, terms: Terms, *, country: str | None, vip: bool, paid: bool = True) -> bool:
    """Say whether a customer with these terms may have a key on ``server``, full or not."""
    allowed = {AccessLevel.ALL: True, AccessLevel.PAID: paid or vip, AccessLevel.VIP: vip}[server.access]
    return (
        allowed
        and server.protocol in terms.protocols
        and (country is None or server.country == country)
        and (not terms.groups or server.group in terms.groups)
    )


def keeps(server: Server, terms: Terms, *, country: str | None, vip: bool) -> bool:
    """Say whether a customer with these terms may go on with a key that ``server`` has, whether it takes more or not.

    One that is disabled is called by nobody, so that its keys are of no use as far as we know.
    """
    return server.status is not ServerStatus.DISABLED and serves(server, terms, country=country, vip=vip)


def rank(servers: Iterable[Server]) -> list[Server]:
    """Return the servers that take keys, best first: most free weighted places, ties by id."""
    return sorted((s for s in servers if s.open), key=lambda s: (-s.free * s.weight, s.id))
