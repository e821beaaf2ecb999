"""Cabinet: what a customer has, and what can be done with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil

from veilbot_core.domain.ids import SubscriptionId
from veilbot_core.domain.subscription import Standing
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.notifier import Access
from veilbot_core.services.subscriptions import Holding, Subscriptions
from veilbot_runners.bot.data import pack
from veilbot_runners.bot.guide import home
from veilbot_runners.bot.screens import Picture, Screen, column, goto
from veilbot_runners.bot.words import Visit

_MOST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabinet:
    """Screens about a customer's own subscriptions; each asks the core as that customer."""

    subscriptions: Subscriptions
    draw: Callable[[str], bytes]
    """Makes a QR code of a text, as PNG."""

    async def keys(self, visit: Visit) -> Screen:
        """Show the one subscription, or a list to choose from."""
        holdings = await self.subscriptions.of_user(visit.user.id)
        if not holdings:
            return Screen(text=visit.say("keys-none"), rows=((goto(visit.say("button-buy"), "t"),), home(visit)))
        if len(holdings) == 1:
            return self._card(visit, holdings[0])
        buttons = [goto(self._short(visit, h), pack("s", h.subscription.id)) for h in holdings[:_MOST]]
        return Screen(text=visit.say("keys"), rows=(*column(buttons), home(visit)))

    async def holding(self, visit: Visit) -> Screen:
        """Show one subscription with its keys."""
        return self._card(visit, await self._mine(visit))

    async def qr(self, visit: Visit) -> Screen:
        """Show the keys as pictures."""
        holding = await self._mine(visit)
        if not holding.keys:
            return self._card(visit, holding)
        pictures = (
            Picture(png=self.draw(key.url), caption=visit.say("qr-caption", where=_where(visit, key)))
            for key in holding.keys
        )
        return Screen(pictures=tuple(pictures))

    async def ask_rotate(self, visit: Visit) -> Screen:
        """Ask whether the link shall really be replaced."""
        holding = await self._mine(visit)
        subscription_id = holding.subscription.id
        rows = (
            (goto(visit.say("button-rotate-yes"), pack("y", subscription_id)),),
            (goto(visit.say("button-rotate-no"), pack("s", subscription_id)),),
        )
        return Screen(text=visit.say("rotate"), rows=rows)

    async def rotate(self, visit: Visit) -> Screen:
        """Replace the link."""
        holding = await self.subscriptions.rotate(SubscriptionId(visit.ids[0]), of=visit.user.id)
        card = self._card(visit, holding)
        return replace(card, text=visit.join(visit.say("rotated"), card.text))

    async def _mine(self, visit: Visit) -> Holding:
        return await self.subscriptions.get(SubscriptionId(visit.ids[0]), of=visit.user.id)

    def _card(self, visit: Visit, holding: Holding) -> Screen:
        subscription_id = holding.subscription.id
        keys = [visit.say("key", where=_where(visit, key), url=key.url) for key in holding.keys]
        text = visit.join(
            visit.say(
                "holding",
                name=holding.subscription.terms.name,
                state=self._state(visit, holding),
                traffic=self._traffic(visit, holding),
            ),
            visit.join(visit.say("keys-label"), *keys, by="\n") if keys else "",
            visit.say("keys-coming") if holding.coming else "",
            *self._links(visit, holding),
        )
        qr = (goto(visit.say("button-qr"), pack("q", subscription_id)),) if keys else ()
        rows = (
            (*qr, goto(visit.say("button-rotate"), pack("x", subscription_id))),
            (goto(visit.say("button-renew"), pack("e", subscription_id)),),
            (goto(visit.say("button-connect"), "h"),),
            home(visit),
        )
        return Screen(text=text, rows=rows)

    def _links(self, visit: Visit, holding: Holding) -> list[str]:
        if holding.standing is Standing.FROZEN:
            return []
        mirrors = [visit.say("mirror", link=link) for link in holding.mirrors]
        more = [visit.join(visit.say("mirrors-label"), *mirrors, by="\n")] if mirrors else []
        return [visit.say("link-label", link=holding.link), *more]

    def _state(self, visit: Visit, holding: Holding) -> str:
        subscription = holding.subscription
        until = visit.words.moment(visit.language, subscription.ends_at)
        match holding.standing:
            case Standing.FROZEN:
                return visit.say("state-frozen")
            case Standing.ACTIVE if subscription.vip:
                return visit.say("state-vip")
            case Standing.ACTIVE:
                left = self._left(visit, subscription.ends_at - visit.now)
                return visit.say("state-active", until=until, left=left)
            case Standing.GRACE:
                return visit.say("state-grace", until=until)
            case Standing.EXPIRED:
                return visit.say("state-expired", until=until)

    def _short(self, visit: Visit, holding: Holding) -> str:
        match holding.standing:
            case Standing.FROZEN:
                state = visit.say("short-frozen")
            case Standing.ACTIVE if holding.subscription.vip:
                state = visit.say("short-vip")
            case Standing.ACTIVE:
                state = visit.say("short-active", day=visit.words.day(visit.language, holding.subscription.ends_at))
            case _:
                state = visit.say("short-ended")
        return visit.say("button-holding", name=holding.subscription.terms.name, state=state)

    def _left(self, visit: Visit, left: timedelta) -> str:
        """Say how long it still works, rounded up: who has just bought 30 days has 30 days left."""
        if left > timedelta(days=1):
            return visit.say("left-days", n=ceil(left / timedelta(days=1)))
        if left > timedelta(hours=1):
            return visit.say("left-hours", n=ceil(left / timedelta(hours=1)))
        return visit.say("left-minutes")

    def _traffic(self, visit: Visit, holding: Holding) -> str:
        """Say what was used, and of how much if it ends there; Outline only estimates (a window of 30 days)."""
        terms = holding.subscription.terms
        if terms.traffic_limit is None or holding.subscription.vip:
            return visit.say("traffic-unlimited")
        if not terms.limit_kept:
            return visit.say("traffic-used", used=visit.words.traffic(visit.language, holding.used))
        limit = visit.words.traffic(visit.language, terms.traffic_limit)
        if not holding.used:
            return visit.say("traffic-unused", limit=limit)
        used = visit.words.traffic(visit.language, holding.used)
        if Protocol.OUTLINE in terms.protocols:
            return visit.say("traffic-about", used=used, limit=limit)
        return visit.say("traffic-counted", used=used, limit=limit)


def _where(visit: Visit, key: Access) -> str:
    return f"{visit.words.country(visit.language, key.country)} · {key.name}"
