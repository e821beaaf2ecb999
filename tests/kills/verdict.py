"""The verdict: what the database, the servers, the provider and the chats say when the trouble is over."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from tests.journeys.world import eventually
from tests.kills.market import PATIENCE, Buyer, Market

from veilbot_adapters.database.tables import events, jobs
from veilbot_core.domain.ids import derive
from veilbot_core.domain.jobs import SCHEDULES, JobKind
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.payment import Payment, PaymentKind
from veilbot_core.domain.subscription import Subscription

LASTING = SCHEDULES | {JobKind.CLOSE_ORDER, JobKind.RECONCILE_SERVER}
"""Jobs that a shop at rest has: they are due again and again, or when a checkout closes."""
WORDS = {"ready": "Your access is ready", "renewed": "Renewed, thank you", "refunded": "is on its way back"}
ALL = 100_000


async def everything_is_right(market: Market) -> None:
    """Wait until all is done, end the processes in peace, and look at what is left."""
    verdict = Verdict(market)
    try:
        try:
            await eventually("the shop to come to rest", verdict.at_rest, PATIENCE)
        except AssertionError:
            pytest.fail("\n".join(["the shop does not come to rest:", *verdict.waits_for]))
        await market.stop()
        await verdict.nothing_is_claimed()
        await verdict.keys_are_right()
        await verdict.money_is_right()
        verdict.everybody_was_told()
    finally:
        await verdict.close()


class Verdict:
    """Reads the database beside the processes that work on it."""

    def __init__(self, market: Market) -> None:
        self.waits_for: list[str] = []
        self._market = market
        self._engine: AsyncEngine = create_async_engine(market.world.environment["VEILBOT_DATABASE_URL"])

    async def close(self) -> None:
        await self._engine.dispose()

    async def at_rest(self) -> bool:
        """Whether all that was paid or asked for has been done, and nothing is on its way; else see ``waits_for``."""
        self.waits_for = [line async for line in self._under_way()]
        return not self.waits_for

    async def _under_way(self) -> AsyncIterator[str]:
        for buyer in self._market.buyers:
            wanted = OrderStatus.REFUNDED if buyer.refunded else OrderStatus.FULFILLED
            for order_id in filter(None, (buyer.first, buyer.renewal)):
                status = (await self._market.shop.checkout.get(order_id)).status
                if status is not wanted:
                    yield f"order {order_id} is {status}, not {wanted}"
        for row in await self._rows(select(events).where(events.c.sent_at.is_(None))):
            yield f"{row.type} of {row.subject} is not published"
        for row in await self._rows(select(jobs)):
            if row.kind not in LASTING or row.leased_until is not None:
                yield f"{row.kind} {row.subject} is due {row.due}, leased until {row.leased_until}: {row.error}"

    async def nothing_is_claimed(self) -> None:
        """Prove, when every process has ended in peace, that none of them took a job with it."""
        assert not await self._rows(select(jobs).where(jobs.c.leased_until.is_not(None)))
        assert not await self._market.shop.work.dead(limit=10)

    async def keys_are_right(self) -> None:
        """One key per paid subscription and protocol, where the database says; none for what went back; no orphan."""
        paid = {derive("subscription", buyer.first): buyer for buyer in self._market.buyers}
        found = await self._market.shop.storage.read(lambda uow: (uow.subscriptions.page(limit=ALL), uow.servers.all()))
        subscriptions, servers = found
        keys = await self._market.shop.subscriptions.keys(limit=ALL)
        assert {one.id for one in subscriptions} == set(paid)
        live = [key for key in keys if key.desired.present]
        paid_for = [
            (one.id, what) for one in subscriptions if not paid[one.id].refunded for what in one.terms.protocols
        ]
        assert Counter((key.subscription_id, key.protocol) for key in live) == Counter(paid_for)
        names = {server.id: server.name for server in servers}
        assert self._market.there() == {(names[key.server_id], str(key.id)) for key in live}
        placed = Counter(key.server_id for key in keys if key.placed)
        assert {server.id: server.reserved for server in servers} == {
            server.id: placed[server.id] for server in servers
        }
        for one in subscriptions:
            assert _days(one) == _paid_days(paid[one.id])

    async def money_is_right(self) -> None:
        """The shop's ledger is the provider's, movement by movement."""
        booked = await self._market.shop.payments.page(limit=ALL)
        books = self._market.world.sandbox.stripe.books
        assert _ledger(booked, PaymentKind.CHARGE) == Counter((i.id, i.amount) for i in books.intents.values())
        assert _ledger(booked, PaymentKind.REFUND) == Counter((r.id, r.amount) for r in books.refunds.values())
        assert len(books.refunds) == sum(buyer.refunded for buyer in self._market.buyers)

    def everybody_was_told(self) -> None:
        """Each order was told of at least once."""
        for buyer in self._market.buyers:
            said = self._market.said(buyer)
            wanted = {"refunded"} if buyer.refunded else {"ready"}
            wanted |= {"renewed"} if buyer.renewal else set()
            assert all(WORDS[word] in said for word in wanted), (buyer, said)

    async def _rows(self, query: Any) -> list[Row[Any]]:
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).all())


def _ledger(booked: Any, kind: PaymentKind) -> Counter[tuple[str, int]]:
    of_kind: list[Payment] = [payment for payment in booked if payment.kind is kind]
    return Counter((payment.external_id, payment.money.amount) for payment in of_kind)


def _days(subscription: Subscription) -> int:
    return round((subscription.ends_at - subscription.created_at) / timedelta(days=1))


def _paid_days(buyer: Buyer) -> int:
    return 0 if buyer.refunded else 60 if buyer.renewal else 30
