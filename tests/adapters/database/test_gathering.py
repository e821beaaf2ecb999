"""What a unit of work on Postgres writes goes to the server together, and means the same as if it went one by one."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.contracts.storage.things import a_job, a_tariff, a_user, an_event, an_order, new_id

from veilbot_adapters.database.gathering import GatheringSession
from veilbot_adapters.database.lines import DIALECT
from veilbot_adapters.database.unit import DatabaseUnitOfWork
from veilbot_core.domain.errors import AlreadyExists, LeaseLost, NotFound
from veilbot_core.domain.ids import JobId
from veilbot_core.domain.payment import Provider


class Wire:
    """A cursor that notes what is sent, and answers that every part touched as many rows as it is told."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.alone: list[str] = []
        self.values: list[Sequence[Any]] = []
        self.counts: list[int] = []
        """How many rows the next parts touch; afterwards one each."""
        self.begun = False
        self._row: list[int] = []

    @property
    def rowcount(self) -> int:
        return self._row[0]

    def execute(self, operation: str, parameters: Sequence[Any], /) -> None:
        self.begun = True
        self._note(operation, parameters)

    def execute_alone(self, operation: str, parameters: Sequence[Any], /) -> None:
        self.alone.append(operation)
        self._note(operation, parameters)

    def executemany(self, operation: str, parameters: Sequence[Sequence[Any]], /) -> None:
        self.begun = True
        self._note(operation, [value for row in parameters for value in row])

    def fetchone(self) -> list[int] | None:
        return self._row or None

    def fetchall(self) -> Sequence[Any]:
        return []

    def _note(self, operation: str, parameters: Sequence[Any]) -> None:
        parts = operation.count(" AS (") or 1
        self.sent.append(operation)
        self.values.append(parameters)
        self._row = [self.counts.pop(0) if self.counts else 1 for _ in range(parts)]
        if operation.startswith("SELECT"):
            self._row = []


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def uow(wire: Wire) -> DatabaseUnitOfWork:
    return DatabaseUnitOfWork(GatheringSession(wire, DIALECT, ZeroDivisionError))


def end(uow: DatabaseUnitOfWork) -> None:
    session = uow.session
    assert isinstance(session, GatheringSession)
    session.end()


def test_writes_of_which_nobody_asks_are_one_statement(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    event, job, order = an_event(), a_job(), an_order(a_user(), a_tariff())
    uow.outbox.append(event)
    uow.jobs.ask(job)
    uow.orders.save(order)
    uow.jobs.withdraw(JobId(new_id()))
    assert wire.sent == []
    end(uow)
    (sent,) = wire.sent
    assert [sent.count(words) for words in ("INSERT INTO events", "INSERT INTO jobs", "UPDATE orders", "DELETE")] == [
        1
    ] * 4
    assert len(set(wire.values[0]) & {event.id, job.id, order.id}) == 3
    assert f"${len(wire.values[0])}::" in sent
    assert f"${len(wire.values[0]) + 1}" not in sent


def test_a_write_that_tells_its_outcome_takes_the_others_along(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.outbox.append(an_event())
    wire.counts = [1, 0]
    assert uow.servers.take_place(new_id()) is False  # type: ignore[arg-type]
    assert ["events" in text and "servers" in text for text in wire.sent] == [True]


def test_who_looks_at_a_table_sees_what_was_written_there(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.outbox.append(an_event())
    uow.users.by_telegram_id(7)
    assert ["INSERT" in text for text in wire.sent] == [False]
    uow.outbox.waiting(9)
    assert ["INSERT" in text for text in wire.sent] == [False, True, False]


def test_no_two_parts_touch_one_row(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    order, job = an_order(a_user(), a_tariff()), a_job()
    uow.orders.save(order)
    uow.orders.save(order)
    uow.jobs.ask(job)
    uow.jobs.finish(job)
    end(uow)
    assert len(wire.sent) == 3
    assert not any(
        text.count("UPDATE orders") > 1 or ("INSERT INTO jobs" in text and "DELETE" in text) for text in wire.sent
    )


def test_a_row_without_an_id_waits_for_nobody_of_its_table(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    now = an_event().at
    for number in range(2):
        assert uow.payments.first_sight(Provider.STRIPE, f"evt_{number}", now)
    uow.jobs.withdraw(JobId(new_id()))
    uow.outbox.append(an_event())
    uow.outbox.sent([], now)
    end(uow)
    assert [text.count("events") > 0 for text in wire.sent] == [False, False, True, True]


def test_what_is_missing_is_told_at_the_end(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.orders.save(an_order(a_user(), a_tariff()))
    uow.outbox.append(an_event())
    wire.counts = [0, 1]
    with pytest.raises(NotFound):
        end(uow)


def test_a_lost_lease_is_told_at_the_end(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.jobs.finish(a_job())
    wire.counts = [0, 0]
    with pytest.raises(LeaseLost):
        end(uow)
    assert len(wire.sent) == 2  # neither this claim nor one that was asked for again


def test_a_row_that_is_there_is_told_at_once(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    wire.counts = [0]
    with pytest.raises(AlreadyExists):
        uow.users.add(a_user())


def test_a_single_write_needs_no_transaction_around_it(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.jobs.finish(a_job())
    end(uow)
    assert wire.alone == wire.sent != []


def test_writes_that_cannot_miss_need_none_either(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.outbox.append(an_event(), an_event())
    end(uow)
    assert wire.alone == wire.sent != []


def test_one_that_can_miss_beside_another_does(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.jobs.finish(a_job())
    uow.outbox.append(an_event())
    end(uow)
    assert wire.alone == []


def test_many_rows_of_one_kind_go_in_one_go(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    uow.outbox.append(*(an_event() for _ in range(50)))
    assert [text.startswith("INSERT INTO events") for text in wire.sent] == [True]


def test_a_statement_has_not_too_many_parts(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    for _ in range(40):
        uow.outbox.append(an_event())
    end(uow)
    assert max(text.count("INSERT INTO events") for text in wire.sent) == 16
    assert sum(text.count("INSERT INTO events") for text in wire.sent) == 40


def test_a_unit_of_work_that_failed_leaves_nothing_to_the_next(uow: DatabaseUnitOfWork, wire: Wire) -> None:
    session = uow.session
    assert isinstance(session, GatheringSession)
    uow.jobs.ask(a_job())
    session.begin()
    end(uow)
    assert (wire.sent, session.asked) == ([], False)
