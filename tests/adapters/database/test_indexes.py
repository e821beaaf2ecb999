"""Every way into a table that grows is an index: no scan, no sort, nothing read to be thrown away."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import pysqlite
from tests.contracts.storage.things import (
    NOW,
    a_grant,
    a_job,
    a_key,
    a_server,
    a_subscription,
    a_tariff,
    a_user,
    an_api_key,
    an_order,
    new_id,
)

from veilbot_adapters.database.database import file_of, parse
from veilbot_adapters.database.schema import transaction
from veilbot_adapters.database.session import Session
from veilbot_adapters.database.statements import Prepared, Statement, Values
from veilbot_adapters.database.unit import DatabaseUnitOfWork
from veilbot_core.domain.errors import VeilbotError
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.order import OrderStatus
from veilbot_core.domain.payment import PaymentKind, PaymentStatus, Provider
from veilbot_core.domain.subscription import GrantSource

ID: Any = new_id()
USER, TARIFF, SERVER, JOB = a_user(telegram_id=1), a_tariff(), a_server(), a_job()
SUBSCRIPTION, ORDER = a_subscription(USER, TARIFF), an_order(USER, TARIFF)
KEY, GRANT, API_KEY = a_key(SUBSCRIPTION, SERVER), a_grant(SUBSCRIPTION), an_api_key()
HELD, PAID = PaymentStatus.HELD, OrderStatus.PAID
Way = Callable[[DatabaseUnitOfWork], object]

WAYS: dict[str, Way] = {
    "user": lambda uow: uow.users.get(ID),
    "user locked": lambda uow: uow.users.lock(ID),
    "user of telegram": lambda uow: uow.users.by_telegram_id(1),
    "user saved": lambda uow: uow.users.save(USER),
    "users": lambda uow: uow.users.page(limit=9),
    "users after": lambda uow: uow.users.page(limit=9, after=ID),
    "tariff": lambda uow: uow.tariffs.get(ID),
    "server": lambda uow: uow.servers.get(ID),
    "place taken": lambda uow: uow.servers.take_place(ID),
    "place freed": lambda uow: uow.servers.free_place(ID),
    "order": lambda uow: uow.orders.get(ID),
    "order locked": lambda uow: uow.orders.lock(ID),
    "order saved": lambda uow: uow.orders.save(ORDER),
    "orders": lambda uow: uow.orders.page(limit=9),
    "orders after": lambda uow: uow.orders.page(limit=9, after=ID),
    "orders of user": lambda uow: uow.orders.page(limit=9, user_id=ID),
    "orders of user after": lambda uow: uow.orders.page(limit=9, user_id=ID, after=ID),
    "orders of status": lambda uow: uow.orders.page(limit=9, status=PAID),
    "orders of user and status": lambda uow: uow.orders.page(limit=9, user_id=ID, status=PAID, after=ID),
    "orders pending": lambda uow: uow.orders.pending_of(ID),
    "orders stuck": lambda uow: uow.orders.stuck(NOW, 9),
    "payment": lambda uow: uow.payments.get(ID),
    "payment of provider": lambda uow: uow.payments.find(Provider.STRIPE, PaymentKind.CHARGE, "x"),
    "payments of order": lambda uow: uow.payments.of_order(ID),
    "charge locked": lambda uow: uow.payments.lock_charge(Provider.STRIPE, "x"),
    "payments": lambda uow: uow.payments.page(limit=9, after=ID),
    "payments of user": lambda uow: uow.payments.page(limit=9, user_id=ID),
    "payments of user and status": lambda uow: uow.payments.page(limit=9, user_id=ID, status=HELD),
    "payments of status": lambda uow: uow.payments.page(limit=9, status=HELD, after=ID),
    "events unseen": lambda uow: uow.payments.unseen(Provider.STRIPE, ["evt_1", "evt_2"]),
    "asked until": lambda uow: uow.payments.asked_until(Provider.STRIPE),
    "subscription": lambda uow: uow.subscriptions.get(ID),
    "subscription locked": lambda uow: uow.subscriptions.find(ID),
    "subscription of link": lambda uow: uow.subscriptions.by_digest("x"),
    "subscriptions of user": lambda uow: uow.subscriptions.of_user(ID),
    "subscription saved": lambda uow: uow.subscriptions.save(SUBSCRIPTION),
    "subscriptions due": lambda uow: uow.subscriptions.due(NOW, 9),
    "subscriptions": lambda uow: uow.subscriptions.page(limit=9, after=ID),
    "grants": lambda uow: uow.subscriptions.grants(ID),
    "grant for": lambda uow: uow.subscriptions.grant_for(GrantSource.ORDER, "x"),
    "grant saved": lambda uow: uow.subscriptions.save_grant(GRANT),
    "key": lambda uow: uow.keys.get(ID),
    "key locked": lambda uow: uow.keys.find(ID),
    "keys locked": lambda uow: uow.keys.lock_all([ID, ID]),
    "key saved": lambda uow: uow.keys.save(KEY),
    "usage saved": lambda uow: uow.keys.save_usage([(KEY, KEY)]),
    "keys of subscription": lambda uow: uow.keys.of_subscriptions([ID]),
    "keys of server": lambda uow: uow.keys.of_server(ID, limit=9),
    "keys of server after": lambda uow: uow.keys.of_server(ID, limit=9, after=ID),
    "keys of user": lambda uow: uow.keys.page(limit=9, user_id=ID),
    "keys": lambda uow: uow.keys.page(limit=9, after=ID),
    "keys unsettled": lambda uow: uow.keys.unsettled(9, NOW),
    "events waiting": lambda uow: uow.outbox.waiting(9),
    "events sent": lambda uow: uow.outbox.sent([ID], NOW),
    "jobs claimed": lambda uow: uow.jobs.claim(NOW, NOW, 9),
    "jobs claimed of kinds": lambda uow: uow.jobs.claim(NOW, NOW, 9, [JobKind.SWEEP]),
    "job finished": lambda uow: uow.jobs.finish(JOB),
    "job postponed": lambda uow: uow.jobs.postpone(JOB, NOW, ""),
    "job buried": lambda uow: uow.jobs.bury(JOB, ""),
    "jobs dead": lambda uow: uow.jobs.dead(limit=9, after=ID),
    "job next due": lambda uow: uow.jobs.next_due(),
    "api key of digest": lambda uow: uow.api_keys.by_digest("x"),
    "api key saved": lambda uow: uow.api_keys.save(API_KEY),
    "reply": lambda uow: uow.replies.begin(ID, "x", NOW, NOW),
    "reply answered": lambda uow: uow.replies.answer(ID, 200, b""),
    "reply released": lambda uow: uow.replies.release(ID),
    "thing made": lambda uow: uow.replies.made(ID, ID),
    "replies purged": lambda uow: uow.replies.purge(NOW, 9),
    "turn": lambda uow: uow.turns.take(7, 7, ID, NOW, NOW),
    "turn renewed": lambda uow: uow.turns.renew(7, ID, NOW),
    "turn ended": lambda uow: uow.turns.end(7, ID, NOW),
    "turn left": lambda uow: uow.turns.leave(7, ID),
    "turns purged": lambda uow: uow.turns.purge(NOW, 9),
}
SORTED_FEW = {
    *("jobs claimed", "jobs claimed of kinds", "keys of subscription", "replies purged", "turns purged"),
    "payments of order",
}
"""Sorts of the few rows that an index found."""


class Explaining(Session):
    """Asks for the plan of each statement before it runs it."""

    plans: list[str]
    explain: str

    def _run(self, statement: Statement, values: Values) -> Prepared:
        prepared = statement.prepared(self._dialect)
        self._cursor.execute(f"{self.explain} {prepared.sql}", prepared.parameters(values))
        self.plans += [str(row[-1]) for row in self._cursor.fetchall()]
        return super()._run(statement, values)


def explained(session: Explaining, way: Way) -> list[str]:
    session.plans = []
    with contextlib.suppress(VeilbotError):  # the tables are empty: what matters is how they were searched
        way(DatabaseUnitOfWork(session))
    return session.plans


@pytest.fixture
def lite(sqlite_url: str) -> Iterator[Explaining]:
    connection = sqlite3.connect(file_of(parse(sqlite_url)), isolation_level=None)
    session = Explaining(connection.cursor(), pysqlite.dialect(), sqlite3.IntegrityError)
    session.explain = "EXPLAIN QUERY PLAN"
    yield session
    connection.close()


@pytest.mark.parametrize("name", WAYS)
def test_sqlite_searches(lite: Explaining, name: str) -> None:
    plan = explained(lite, WAYS[name])
    scans = [line for line in plan if line.startswith("SCAN") and not _few_scanned(line)]
    if name in {"users", "orders"}:  # from the newest on, by the primary key
        scans = [line for line in scans if "USING INDEX sqlite_autoindex" not in line]
    sorts = [line for line in plan if "TEMP B-TREE" in line and name not in SORTED_FEW]
    assert (scans, sorts) == ([], []), plan


def _few_scanned(line: str) -> bool:
    """Allow the parameters of a statement, the rows it picked, and an index of the few rows that wait."""
    few = ("ix_events_waiting", "ix_jobs_ready", "ix_jobs_dead", "ix_orders_stuck", "ix_keys_unsettled")
    return line.startswith(("SCAN json_each", "SCAN anon", "SCAN picked")) or any(index in line for index in few)


async def test_postgres_searches(postgres_url: str) -> None:
    def work(connection: Connection) -> dict[str, list[str]]:
        cursor = connection.connection.cursor()
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
            cursor.execute(f"SET LOCAL {setting} = off", ())
        session = Explaining(cursor, connection.dialect, connection.dialect.loaded_dbapi.IntegrityError)
        session.explain = "EXPLAIN (COSTS OFF)"
        return {name: explained(session, way) for name, way in WAYS.items()}

    async with transaction(parse(postgres_url)) as connection:
        plans = await connection.run_sync(work)
    wrong = {name: plan for name, plan in plans.items() if _scans(plan) or (_sorts(plan) and name not in SORTED_FEW)}
    assert wrong == {}


def _scans(plan: Sequence[str]) -> bool:
    return any("Seq Scan" in line for line in plan)


def _sorts(plan: Sequence[str]) -> bool:
    return any("Sort" in line for line in plan)
