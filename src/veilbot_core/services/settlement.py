"""Settlement: asking providers for what their webhooks never told."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from veilbot_core.books import Books
from veilbot_core.domain.errors import GatewayOff, InvalidInput, PortError, VeilbotError
from veilbot_core.domain.ids import OrderId
from veilbot_core.domain.jobs import EVERYTHING, Job, JobKind
from veilbot_core.domain.payment import PaymentEvent, Provider, Receipt
from veilbot_core.domain.policy import Policy
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.payments import PaymentGateway
from veilbot_core.ports.storage import Storage, UnitOfWork

_LOG = logging.getLogger(__name__)
_FIRST = timedelta(hours=24)
"""How far back the first question of the schedule goes."""
_OVERLAP = timedelta(minutes=30)
"""How much of what was asked before is asked again: lists lag behind what happens, and clocks differ."""
_LONGEST = timedelta(days=30)
"""Stripe lists the events of 30 days (docs.stripe.com/api/events)."""
_STEP = timedelta(hours=1)
"""How much is held in memory at once; it is booked oldest first, so that a refund finds its charge."""
_PAGES = 1000
"""In one step, of a hundred events each: a list that never ends must not hold us for ever."""
_AHEAD = timedelta(minutes=5)
"""How far a provider's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a provider was asked for, and what came of it."""

    provider: Provider
    since: datetime
    until: datetime
    events: int = 0
    """How many of concern it listed."""
    news: int = 0
    """Of those, how many we had not heard of."""
    booked: int = 0
    """Of the new ones, how many changed our books; the others told what we knew from elsewhere."""
    orders: tuple[OrderId, ...] = ()
    """The orders that the booked ones are about, as far as they say."""
    troubles: tuple[str, ...] = ()
    """Ids of events that could not be read or booked."""

    def and_then(self, later: "Findings") -> "Findings":
        """Put two steps that follow each other together."""
        return Findings(
            provider=self.provider,
            since=self.since,
            until=later.until,
            events=self.events + later.events,
            news=self.news + later.news,
            booked=self.booked + later.booked,
            orders=tuple(dict.fromkeys((*self.orders, *later.orders))),
            troubles=(*self.troubles, *later.troubles),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a lost webhook would have done is done all the same, minutes later."""

    storage: Storage
    gateways: Mapping[Provider, PaymentGateway]
    books: Books
    clock: Clock
    policy: Policy

    async def settle(self, since: datetime, watch: Callable[[Findings], None] | None = None) -> list[Findings]:
        """Ask every provider for all that it told since a time, at most 30 days ago, and book what is new.

        ``watch`` is told after each step how far it got. What was booked stays booked if a later step fails.

        Raises:
            GatewayOff: no provider is configured.
            InvalidInput: the time is in the future, or too long ago.
            Unavailable, Rejected: a provider failed; asking again goes on.
        """
        now = self.clock.now()
        if not now - _LONGEST <= since < now:
            raise InvalidInput(f"providers tell of the last {_LONGEST.days} days", field="since")
        if not self.gateways:
            raise GatewayOff("no payment provider is configured")
        everything = []
        for provider in sorted(self.gateways):
            found = Findings(provider=provider, since=since, until=since)
            while found.until < now:
                found = found.and_then(await self._step(provider, found.until, now))
                if watch is not None:
                    watch(found)
            everything.append(found)
        return everything

    async def run(self, _: Job) -> None:
        """Ask every provider for all since it was asked last, for at most half a lease; the rest follows at once.

        Raises:
            Unavailable, Rejected: a provider failed; the others were asked.
        """
        deadline = self.clock.monotonic() + self.policy.lease.total_seconds() / 2
        failure: PortError | None = None
        for provider in sorted(self.gateways):
            try:
                await self._catch_up(provider, deadline)
            except PortError as error:
                failure = error
        if failure is not None:
            raise failure

    async def _catch_up(self, provider: Provider, deadline: float) -> None:
        now = self.clock.now()
        mark = await self.storage.read(lambda uow: uow.payments.asked_until(provider))
        begin = max(now - _FIRST if mark is None else mark - _OVERLAP, now - _LONGEST)
        while begin < now:
            step = await self._step(provider, begin, now)
            begin = step.until
            late = begin < now and self.clock.monotonic() >= deadline
            await self.storage.write(self._reached(step, late=late))
            if late:
                return

    def _reached(self, step: Findings, *, late: bool) -> Callable[[UnitOfWork], None]:
        """Go on from here next time, at once if the time was too short; tell the operators of what is stuck."""

        def work(uow: UnitOfWork) -> None:
            now = self.clock.now()
            uow.payments.asked(step.provider, step.until)
            if late:
                uow.jobs.ask(Job.ask(JobKind.SETTLE, EVERYTHING, now))
            if step.troubles:
                uow.jobs.ask(Job.ask(JobKind.ALERT, EVERYTHING, now, detail="settle.trouble"))

        return work

    async def _step(self, provider: Provider, since: datetime, now: datetime) -> Findings:
        """Ask for an hour at most, and book what is new, oldest first."""
        until = min(since + _STEP, now)
        events, news, troubles = await self._listed(provider, since, until + _AHEAD if until == now else until)
        booked = []
        for event in reversed(news):
            try:
                receipt = await self._book(event)
            except PortError:
                raise
            except VeilbotError as error:  # one that cannot be booked keeps no other waiting
                _LOG.warning("%s told %s, which cannot be booked: %s", provider, event.event_id, error)
                troubles.append(event.event_id)
            else:
                booked += [event] if receipt in {Receipt.ACCEPTED, Receipt.HELD} else []
        return Findings(
            provider=provider,
            since=since,
            until=until,
            events=events,
            news=len(news),
            booked=len(booked),
            orders=tuple(dict.fromkeys(e.order_id for e in booked if e.order_id is not None)),
            troubles=tuple(troubles),
        )

    async def _listed(
        self, provider: Provider, since: datetime, until: datetime
    ) -> tuple[int, Sequence[PaymentEvent], list[str]]:
        """Return how many events there are, those that are not in the inbox, newest first, and what is unreadable."""
        news: list[PaymentEvent] = []
        troubles: list[str] = []
        count, after = 0, None
        for _ in range(_PAGES):
            page = await self.gateways[provider].told(since, until, after=after)
            unseen = await self.storage.read(_unseen(provider, [event.event_id for event in page.events]))
            news += [event for event in page.events if event.event_id in unseen]
            troubles += page.unreadable
            count += len(page.events) + len(page.unreadable)
            after = page.more
            if after is None:
                break
        for event_id in troubles:
            _LOG.warning("%s told %s, which cannot be read", provider, event_id)
        return count, news, troubles

    async def _book(self, event: PaymentEvent) -> Receipt:
        return await self.storage.write(lambda uow: self.books.enter(uow, event, self.clock.now()))


def _unseen(provider: Provider, event_ids: Sequence[str]) -> Callable[[UnitOfWork], set[str]]:
    return lambda uow: uow.payments.unseen(provider, event_ids)
