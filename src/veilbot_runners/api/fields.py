"""Fields that more than one module shows or takes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from veilbot_core.domain.money import Money
from veilbot_core.domain.tariff import Protocol, Terms

Id = Annotated[UUID, Meta(examples=["0199a7d2-7c1e-7a70-8f4e-2b6f0c9d1e55"])]
Time = Annotated[datetime, Meta(examples=["2026-11-20T12:30:00Z"])]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2.", examples=["NL"])]
Days = Annotated[int, Meta(ge=1, le=3650, examples=[30])]
Name = Annotated[str, Meta(min_length=1, max_length=64, examples=["Ann"])]
Group = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,32}$", examples=["europe"])]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["USD"])]
Amount = Annotated[int, Meta(ge=1, le=10**12, description="Minor units.", examples=[499])]


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """What a request carries; an unknown field is an error."""


class MoneyView(Struct, frozen=True):
    """An amount in minor units (cents, kopecks) of a currency."""

    amount: Annotated[int, Meta(examples=[49900])]
    currency: Annotated[str, Meta(examples=["RUB"])]

    @classmethod
    def of(cls, money: Money) -> "MoneyView":
        """Render."""
        return cls(amount=money.amount, currency=money.currency)


class TermsView(Struct, frozen=True):
    """What a customer gets."""

    name: Annotated[str, Meta(examples=["Month"])]
    days: Annotated[int, Meta(examples=[30])]
    traffic_limit: Annotated[
        int | None,
        Meta(
            description="Bytes; null for no limit. Not kept with `v2ray` among the protocols.", examples=[100000000000]
        ),
    ]
    device_limit: Annotated[int | None, Meta(examples=[3])]
    protocols: list[Protocol]
    groups: Annotated[list[str], Meta(description="Server groups; empty for all.")]

    @classmethod
    def of(cls, terms: Terms) -> "TermsView":
        """Render."""
        return cls(
            name=terms.name,
            days=terms.days,
            traffic_limit=terms.traffic_limit,
            device_limit=terms.device_limit,
            protocols=list(terms.protocols),
            groups=list(terms.groups),
        )
