"""Tariff: what is sold, and the terms that an order freezes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from veilbot_core.domain.currency import check_currency
from veilbot_core.domain.errors import InvalidInput, TariffUnavailable
from veilbot_core.domain.ids import TariffId
from veilbot_core.domain.money import Money


class Protocol(StrEnum):
    """VPN protocols; a new one is a member here, an adapter and a line in the container."""

    OUTLINE = "outline"
    V2RAY = "v2ray"
    OTHER = "other"
    """What an adapter from outside this repository speaks; a shop without one sells none of it."""

    @property
    def keeps_limits(self) -> bool:
        """Whether its servers end a key at its traffic limit; V2Ray and Xray know none."""
        return self is not Protocol.V2RAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the customer gets; copied into the order, so that a later change of the tariff changes no sale."""

    name: str
    days: int
    traffic_limit: int | None = None
    """Bytes, or None for no limit."""
    device_limit: int | None = None
    protocols: tuple[Protocol, ...] = (Protocol.OUTLINE,)
    """One key per protocol."""
    groups: tuple[str, ...] = ()
    """Server groups that serve it; empty means every group."""

    @property
    def limit_kept(self) -> bool:
        """Whether there is a traffic limit at which every key of it ends; one that nobody keeps is no promise."""
        return self.traffic_limit is not None and all(protocol.keeps_limits for protocol in self.protocols)

    def __post_init__(self) -> None:
        """Refuse terms that nobody can fulfil."""
        if not self.name.strip() or len(self.name) > 64 or not self.name.isprintable():
            raise InvalidInput("a tariff's name has 1 to 64 printable characters", field="name")
        if not 1 <= self.days <= 36500:
            raise InvalidInput("a tariff lasts 1 to 36500 days", field="days")
        if self.traffic_limit is not None and not 1 <= self.traffic_limit <= 2**53:
            raise InvalidInput("a traffic limit is a positive number of bytes", field="traffic_limit")
        if self.device_limit is not None and not 1 <= self.device_limit <= 1000:
            raise InvalidInput("a device limit is 1 to 1000", field="device_limit")
        if not self.protocols or len(set(self.protocols)) != len(self.protocols):
            raise InvalidInput("a tariff names each of its protocols once", field="protocols")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A thing for sale: terms and a price per currency."""

    id: TariffId
    terms: Terms
    prices: Mapping[str, int]
    """Minor units by currency."""
    trial: bool = False
    archived_at: datetime | None = None
    created_at: datetime

    def __post_init__(self) -> None:
        """Refuse a price of nothing: what is free is a trial."""
        for currency, amount in self.prices.items():
            check_currency(currency)
            if Money(amount=amount, currency=currency).amount <= 0:
                raise InvalidInput("a price is more than zero", field="prices")
        if not self.prices and not self.trial:
            raise InvalidInput("a tariff needs at least one price", field="prices")

    @property
    def for_sale(self) -> bool:
        """Whether a customer may buy it now."""
        return self.archived_at is None and not self.trial

    def price(self, currency: str) -> Money:
        """Return the price in ``currency``.

        Raises:
            TariffUnavailable: not for sale, or not in this currency.
        """
        if not self.for_sale or currency not in self.prices:
            raise TariffUnavailable
        return Money(amount=self.prices[currency], currency=currency)

    def archive(self, at: datetime) -> "Tariff":
        """Take it off sale; history keeps it."""
        return self if self.archived_at else replace(self, archived_at=at)
