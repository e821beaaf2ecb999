"""What the module billing takes and shows."""

from typing import Annotated

from msgspec import Meta, Struct

from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind, PaymentStatus, Provider
from veilbot_core.domain.tariff import Protocol, Tariff, Terms
from veilbot_runners.api.fields import (
    Amount,
    Body,
    Country,
    Currency,
    Days,
    Group,
    Id,
    MoneyView,
    Name,
    TermsView,
    Time,
)

TrafficLimit = Annotated[
    int,
    Meta(
        ge=1,
        le=2**53,
        description="Bytes. V2Ray and Xray servers keep no limit: with `v2ray` among the protocols nobody ends a key"
        " there, and customers are not shown it as one.",
        examples=[100000000000],
    ),
]
Devices = Annotated[int, Meta(ge=1, le=1000, examples=[3])]


class NewTariff(Body, frozen=True):
    """Something to sell."""

    name: Name
    days: Days
    prices: Annotated[
        dict[Currency, Amount],
        Meta(max_length=50, description="Minor units by currency.", examples=[{"USD": 499, "RUB": 49900}]),
    ]
    traffic_limit: TrafficLimit | None = None
    device_limit: Devices | None = None
    protocols: Annotated[tuple[Protocol, ...], Meta(min_length=1, max_length=10)] = (Protocol.OUTLINE,)
    groups: Annotated[tuple[Group, ...], Meta(max_length=50)] = ()
    trial: bool = False

    def terms(self) -> Terms:
        """Return what the customer gets."""
        return Terms(
            name=self.name,
            days=self.days,
            traffic_limit=self.traffic_limit,
            device_limit=self.device_limit,
            protocols=self.protocols,
            groups=self.groups,
        )


class TariffView(Struct, frozen=True):
    """Something that is or was for sale."""

    id: Id
    terms: TermsView
    prices: Annotated[list[MoneyView], Meta(description="One per currency.")]
    trial: bool
    archived_at: Time | None
    created_at: Time

    @classmethod
    def of(cls, tariff: Tariff) -> "TariffView":
        """Render."""
        return cls(
            id=tariff.id,
            terms=TermsView.of(tariff.terms),
            prices=[MoneyView(amount, currency) for currency, amount in sorted(tariff.prices.items())],
            trial=tariff.trial,
            archived_at=tariff.archived_at,
            created_at=tariff.created_at,
        )


class NewOrder(Body, frozen=True):
    """A checkout to be opened for a customer."""

    user_id: Id
    tariff_id: Id
    provider: Provider
    currency: Annotated[Currency | None, Meta(description="The shop's own unless given.")] = None
    country: Annotated[Country | None, Meta(description="Where the key shall be; anywhere unless given.")] = None
    subscription_id: Annotated[Id | None, Meta(description="Renews this one; a new one is bought unless given.")] = None


class Refund(Body, frozen=True):
    """Money to be sent back."""

    amount: Annotated[Amount | None, Meta(description="Minor units; all that is left unless given.")] = None


class OrderView(Struct, frozen=True):
    """A decision to buy."""

    id: Id
    user_id: Id
    tariff_id: Id
    subscription_id: Id | None
    terms: TermsView
    price: MoneyView
    provider: Provider
    country: str | None
    status: OrderStatus
    checkout_url: Annotated[str | None, Meta(description="Where the customer pays.")]
    note: Annotated[str, Meta(description="Why it is held.")]
    created_at: Time
    expires_at: Time
    paid_at: Time | None
    closed_at: Time | None

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        """Render."""
        return cls(
            id=order.id,
            user_id=order.user_id,
            tariff_id=order.tariff_id,
            subscription_id=order.subscription_id,
            terms=TermsView.of(order.terms),
            price=MoneyView.of(order.price),
            provider=order.provider,
            country=order.country,
            status=order.status,
            checkout_url=order.checkout_url,
            note=order.note,
            created_at=order.created_at,
            expires_at=order.expires_at,
            paid_at=order.paid_at,
            closed_at=order.closed_at,
        )


class PaymentView(Struct, frozen=True):
    """A movement of money."""

    id: Id
    provider: Provider
    kind: PaymentKind
    external_id: Annotated[str, Meta(description="The provider's id.", examples=["pi_3Qx"])]
    money: MoneyView
    status: PaymentStatus
    order_id: Id | None
    user_id: Id | None
    note: str
    at: Time

    @classmethod
    def of(cls, payment: Payment) -> "PaymentView":
        """Render."""
        return cls(
            id=payment.id,
            provider=payment.provider,
            kind=payment.kind,
            external_id=payment.external_id,
            money=MoneyView.of(payment.money),
            status=payment.status,
            order_id=payment.order_id,
            user_id=payment.user_id,
            note=payment.note,
            at=payment.at,
        )
