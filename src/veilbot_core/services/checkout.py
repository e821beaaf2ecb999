"""Checkout: from a chosen tariff to a page that takes the money."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from veilbot_core.domain.errors import GatewayOff, NoCapacity, NotFound, Refused, UserBlocked
from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import OrderId, SubscriptionId, TariffId, UserId
from veilbot_core.domain.jobs import Job, JobKind
from veilbot_core.domain.key import Key
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.server import check_country, keeps
from veilbot_core.domain.subscription import Subscription
from veilbot_core.domain.tariff import Terms
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.payments import PaymentGateway
from veilbot_core.ports.storage import Storage, UnitOfWork
from veilbot_core.steps import about

_OPENING = timedelta(minutes=1)
"""How long a page may take to open; a provider opens none that is to close soon, Stripe none within half an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A customer decides to buy; price and tariff are frozen at that moment."""

    storage: Storage
    gateways: Mapping[Provider, PaymentGateway]
    clock: Clock
    ids: Ids
    policy: Policy

    async def open(
        self,
        user_id: UserId,
        tariff_id: TariffId,
        provider: Provider,
        *,
        currency: str | None = None,
        country: str | None = None,
        subscription_id: SubscriptionId | None = None,
    ) -> Order:
        """Return an order with the address where the customer pays; asked twice, the same open order.

        ``subscription_id`` renews that subscription, otherwise a new one is bought. ``country`` is the customer's
        choice (ISO 3166-1 alpha-2), ``currency`` the policy's unless given.

        Raises:
            UserBlocked, TariffUnavailable, NoCapacity, GatewayOff, NotFound, InvalidInput: nothing was made.
            Refused: the subscription is frozen by a dispute; nothing was made.
            Unavailable, Rejected, Unknown: the provider failed; asking again continues the same order.
        """
        gateway = self.gateways.get(provider)
        if gateway is None:
            raise GatewayOff(f"{provider} is not configured")
        wish = _Wish(user_id, tariff_id, provider, currency or self.policy.currency, country, subscription_id)
        order = await self.storage.write(lambda uow: self._place(uow, wish))
        if order.checkout_url is not None:
            return order
        page = await gateway.open_checkout(order)

        def remember(uow: UnitOfWork) -> Order:
            offered = uow.orders.lock(order.id).offer(page.checkout_id, page.url)
            uow.orders.save(offered)
            return offered

        return await self.storage.write(remember)

    async def get(self, order_id: OrderId, *, of: UserId | None = None) -> Order:
        """Return an order; with ``of``, only that customer's. Raises NotFound."""
        order = await self.storage.read(lambda uow: uow.orders.get(order_id))
        if of is not None and order.user_id != of:
            raise NotFound
        return order

    async def page(
        self,
        *,
        limit: int,
        after: OrderId | None = None,
        user_id: UserId | None = None,
        status: OrderStatus | None = None,
    ) -> Sequence[Order]:
        """Return orders, newest first."""
        return await self.storage.read(
            lambda uow: uow.orders.page(limit=limit, after=after, user_id=user_id, status=status)
        )

    def _place(self, uow: UnitOfWork, wish: "_Wish") -> Order:
        now = self.clock.now()
        user = uow.users.lock(wish.user_id)  # one customer's two taps become one order
        if user.blocked_at is not None:
            raise UserBlocked
        tariff = uow.tariffs.get(wish.tariff_id)
        price = tariff.price(wish.currency)
        renewed = self._renewed(uow, wish)
        self._check_room(uow, tariff.terms, renewed, wish.country, vip=user.vip)
        for known in uow.orders.pending_of(user.id):
            same = wish.matches(known) and known.price == price and known.terms == tariff.terms
            if same and self._goes_on(known, now):
                return known
        order = Order(
            id=OrderId(self.ids.new()),
            user_id=user.id,
            tariff_id=tariff.id,
            terms=tariff.terms,
            price=price,
            provider=wish.provider,
            country=wish.country,
            subscription_id=wish.subscription_id,
            created_at=now,
            expires_at=now + self.policy.order_ttl,
        )
        uow.orders.add(order)
        uow.publish(about(self.ids, EventType.ORDER_CREATED, order, now, amount=price.amount, currency=price.currency))
        uow.jobs.ask(Job.ask(JobKind.CLOSE_ORDER, order.id, now, due=order.expires_at))
        return order

    def _goes_on(self, order: Order, now: datetime) -> bool:
        """Whether an open order is offered again: while its page still opens, and then for half its time."""
        if order.checkout_url is None:
            return now - order.created_at < _OPENING
        return order.expires_at - now > self.policy.order_ttl / 2

    def _renewed(self, uow: UnitOfWork, wish: "_Wish") -> Subscription | None:
        if wish.subscription_id is None:
            return None
        subscription = uow.subscriptions.get(wish.subscription_id)
        if subscription.user_id != wish.user_id:
            raise NotFound
        if subscription.frozen_at is not None:
            raise Refused("this subscription is frozen by a dispute")
        return subscription

    def _check_room(
        self, uow: UnitOfWork, terms: Terms, renewed: Subscription | None, country: str | None, *, vip: bool
    ) -> None:
        """Refuse before money is taken what could not be delivered; a key that may stay needs no room."""
        if country is not None:
            check_country(country)
        keys: Sequence[Key] = ()
        if renewed is not None:
            country, vip = renewed.country, renewed.vip
            keys = [key for key in uow.keys.of_subscriptions([renewed.id]) if key.placed]
        fitting = {s.id: s for s in uow.servers.all() if keeps(s, terms, country=country, vip=vip)}
        room = {s.protocol for s in fitting.values() if s.open}
        if not room.union(key.protocol for key in keys if key.server_id in fitting).issuperset(terms.protocols):
            raise NoCapacity


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a customer asked for."""

    user_id: UserId
    tariff_id: TariffId
    provider: Provider
    currency: str
    country: str | None
    subscription_id: SubscriptionId | None

    def matches(self, order: Order) -> bool:
        """Whether an open order is this very wish."""
        return (order.tariff_id, order.provider, order.country, order.subscription_id) == (
            self.tariff_id,
            self.provider,
            self.country,
            self.subscription_id,
        )
