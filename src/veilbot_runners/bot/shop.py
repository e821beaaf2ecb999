"""Shop: from "Buy" to the page that takes the money."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from veilbot_core.domain.ids import OrderId, SubscriptionId, TariffId
from veilbot_core.domain.order import Order, OrderStatus
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Tariff, Terms
from veilbot_core.services.catalog import Catalog
from veilbot_core.services.checkout import Checkout
from veilbot_core.services.subscriptions import Holding, Subscriptions
from veilbot_runners.bot import screens
from veilbot_runners.bot.data import pack, unpack
from veilbot_runners.bot.guide import home, menu
from veilbot_runners.bot.screens import Button, Row, Screen, column, goto
from veilbot_runners.bot.words import Visit

_ASK = "o"
"""Leads to the question whether an order's money came; only bills carry it."""
_MOST = 20  # buttons of one screen that a person still reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Screens of a purchase; every rule about it is the core's."""

    catalog: Catalog
    checkout: Checkout
    subscriptions: Subscriptions
    policy: Policy
    provider: Provider

    async def buy(self, visit: Visit) -> Screen:
        """Show the tariffs; a customer who has access is offered more of it first."""
        holdings = await self.subscriptions.of_user(visit.user.id)
        live = [h for h in holdings if h.standing in {Standing.ACTIVE, Standing.GRACE} and not h.subscription.vip]
        if not live:
            return await self.another(visit)
        renewals = [goto(self._renewal(visit, h), pack("e", h.subscription.id)) for h in live[:_MOST]]
        rows = (*column(renewals), (goto(visit.say("button-another"), "n"),), home(visit))
        items = visit.join(*(self._live(visit, h) for h in live[:_MOST]), by="\n")
        return Screen(text=visit.say("live", list=items), rows=rows)

    async def another(self, visit: Visit) -> Screen:
        """Show the tariffs for a new key."""
        tariffs = await self.catalog.on_sale(self.policy.currency)
        if not tariffs:
            return Screen(text=visit.say("tariffs-none"), rows=(home(visit),))
        rows = self._offers(visit, tariffs, lambda tariff: pack("b", tariff.id))
        return Screen(text=visit.say("tariffs", list=self._list(visit, tariffs)), rows=(*rows, home(visit)))

    async def choose(self, visit: Visit) -> Screen:
        """Ask for the country where there is more than one, else go on to the payment."""
        tariff = await self.catalog.get(TariffId(visit.ids[0]))
        countries = await self.catalog.countries(tariff.terms, vip=visit.user.vip)
        if len(countries) < 2:
            return await self._pay(visit, tariff.id, countries[0] if countries else None)
        buttons = [
            goto(visit.words.country(visit.language, code), pack("c", tariff.id, choice=code)) for code in countries
        ]
        rows = (*_pairs(buttons), (goto(visit.say("button-back"), "n"), *home(visit)))
        return Screen(text=visit.say("countries", name=tariff.terms.name), rows=rows)

    async def pay(self, visit: Visit) -> Screen:
        """Open the payment for a tariff in a country."""
        return await self._pay(visit, TariffId(visit.ids[0]), visit.choice)

    async def renew(self, visit: Visit) -> Screen:
        """Show the tariffs that add days to a subscription, what it has now first."""
        subscription_id = SubscriptionId(visit.ids[0])
        holding = await self.subscriptions.get(subscription_id, of=visit.user.id)
        tariffs = await self.catalog.on_sale(self.policy.currency)
        if not tariffs:
            return Screen(text=visit.say("tariffs-none"), rows=(home(visit),))
        tariffs = sorted(tariffs, key=lambda tariff: tariff.id != holding.subscription.tariff_id)
        rows = self._offers(visit, tariffs, lambda tariff: pack("p", subscription_id, tariff.id))
        text = visit.say(
            "renew",
            name=holding.subscription.terms.name,
            until=visit.words.moment(visit.language, holding.subscription.ends_at),
            list=self._list(visit, tariffs),
        )
        return Screen(
            text=text, rows=(*rows, (goto(visit.say("button-back"), pack("s", subscription_id)), *home(visit)))
        )

    async def pay_renewal(self, visit: Visit) -> Screen:
        """Open the payment that renews a subscription."""
        subscription_id, tariff_id = SubscriptionId(visit.ids[0]), TariffId(visit.ids[1])
        order = await self.checkout.open(visit.user.id, tariff_id, self.provider, subscription_id=subscription_id)
        return self._bill(visit, order, back=pack("e", subscription_id))

    async def check(self, visit: Visit) -> Screen:
        """Say whether the money came; a screen that asks for money that is there stops asking."""
        order = await self.checkout.get(OrderId(visit.ids[0]), of=visit.user.id)
        name = order.terms.name
        match order.status:
            case OrderStatus.PENDING:
                return Screen(toast=visit.say("bill-waiting"))
            case OrderStatus.CANCELED:
                return Screen(text=visit.say("bill-closed", tariff=name), rows=menu(visit))
            case OrderStatus.HELD | OrderStatus.REFUNDED:
                return Screen(text=visit.say(order.status.value, tariff=name), rows=menu(visit))
            case OrderStatus.PAID | OrderStatus.FULFILLED:
                return Screen(
                    text=visit.say("bill-paid", tariff=name), rows=((goto(visit.say("button-keys"), "k"),), home(visit))
                )

    async def _pay(self, visit: Visit, tariff_id: TariffId, country: str | None) -> Screen:
        order = await self.checkout.open(visit.user.id, tariff_id, self.provider, country=country)
        return self._bill(visit, order, back="n")

    def _bill(self, visit: Visit, order: Order, *, back: str) -> Screen:
        """Show where to pay, for what, and what happens then."""
        words, language = visit.words, visit.language
        price = words.money(language, order.price)
        values = {
            "name": order.terms.name,
            "days": visit.say("days", n=order.terms.days),
            "traffic": self._traffic(visit, order.terms),
            "price": price,
            "until": words.moment(language, order.expires_at),
        }
        if order.subscription_id is not None:
            text = visit.say("pay-renewal", **values)
        else:
            where = visit.say("pay-anywhere")
            if order.country is not None:
                where = visit.say("pay-where", country=words.country(language, order.country))
            text = visit.say("pay", where=where, **values)
        pay = screens.visit(visit.say("button-pay", price=price), order.checkout_url or "")
        ask = goto(visit.say("button-paid"), pack(_ASK, order.id))
        return Screen(
            text=text, rows=((pay,), (ask,), (goto(visit.say("button-back"), back), *home(visit))), bill=order.id
        )

    def _offers(self, visit: Visit, tariffs: Sequence[Tariff], lead: Callable[[Tariff], str]) -> tuple[Row, ...]:
        return column(
            goto(visit.say("button-tariff", name=t.terms.name, price=self._price(visit, t)), lead(t))
            for t in tariffs[:_MOST]
        )

    def _list(self, visit: Visit, tariffs: Sequence[Tariff]) -> str:
        return visit.join(*(self._tariff(visit, tariff) for tariff in tariffs[:_MOST]))

    def _tariff(self, visit: Visit, tariff: Tariff) -> str:
        terms = tariff.terms
        values = {
            "name": terms.name,
            "price": self._price(visit, tariff),
            "days": visit.say("days", n=terms.days),
            "traffic": self._traffic(visit, terms),
        }
        if terms.device_limit is None:
            return visit.say("tariff", **values)
        return visit.say("tariff-devices", devices=visit.say("devices", n=terms.device_limit), **values)

    def _traffic(self, visit: Visit, terms: Terms) -> str:
        if terms.traffic_limit is None:
            return visit.say("unlimited")
        return visit.words.traffic(visit.language, terms.traffic_limit)

    def _price(self, visit: Visit, tariff: Tariff) -> str:
        return visit.words.money(visit.language, tariff.price(self.policy.currency))

    def _live(self, visit: Visit, holding: Holding) -> str:
        until = visit.words.moment(visit.language, holding.subscription.ends_at)
        return visit.say("live-one", name=holding.subscription.terms.name, until=until)

    def _renewal(self, visit: Visit, holding: Holding) -> str:
        day = visit.words.day(visit.language, holding.subscription.ends_at)
        return visit.say("button-renew-one", name=holding.subscription.terms.name, day=day)


def billed(data: str) -> UUID | None:
    """Return the order whose money a button asks about, if it does."""
    carried = unpack(data, 1) if data.startswith(_ASK) else None
    return carried[0][0] if carried is not None else None


def _pairs(buttons: Sequence[Button]) -> tuple[Row, ...]:
    return tuple(tuple(buttons[place : place + 2]) for place in range(0, len(buttons), 2))
