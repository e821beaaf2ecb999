"""Transactions: all or nothing, seen whole, one after the other where it matters."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from tests.contracts.storage.things import NOW, a_job, a_payment, a_user, an_event, open_shop

from veilbot_core.domain.errors import AlreadyExists, NoCapacity, NotFound
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.user import User
from veilbot_core.ports.storage import Storage, UnitOfWork


class Boom(Exception):
    """Something the storage knows nothing about."""


class TestUnitsOfWork:
    async def test_is_a_storage_that_answers(self, storage: Storage) -> None:
        assert isinstance(storage, Storage)
        await storage.check()

    async def test_what_the_function_returns_comes_back(self, storage: Storage) -> None:
        assert await storage.write(lambda _: "written") == "written"
        assert await storage.read(lambda _: "read") == "read"

    async def test_an_error_rolls_everything_back_and_comes_out_as_it_is(self, storage: Storage) -> None:
        user, error = a_user(), Boom("as it is")

        def work(uow: UnitOfWork) -> None:
            uow.users.add(user)
            uow.outbox.append(an_event())
            raise error

        with pytest.raises(Boom) as caught:
            await storage.write(work)
        assert caught.value is error
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.users.get(user.id))
        assert list(await storage.read(lambda uow: uow.outbox.waiting(1))) == []

    async def test_it_sees_what_it_wrote_itself(self, storage: Storage) -> None:
        user = a_user()

        def work(uow: UnitOfWork) -> User:
            uow.users.add(user)
            uow.users.save(replace(user, name="changed"))
            return uow.users.get(user.id)

        assert (await storage.write(work)).name == "changed"

    async def test_a_refused_insert_may_be_caught_inside(self, storage: Storage) -> None:
        user, other = a_user(), a_user()
        await storage.write(lambda uow: uow.users.add(user))

        def work(uow: UnitOfWork) -> None:
            with contextlib.suppress(AlreadyExists):
                uow.users.add(user)
            uow.users.add(other)

        await storage.write(work)
        assert await storage.read(lambda uow: uow.users.get(other.id)) == other

    async def test_a_reader_changes_nothing(self, storage: Storage) -> None:
        user = a_user()
        with contextlib.suppress(Exception):
            await storage.read(lambda uow: uow.users.add(user))
        with pytest.raises(NotFound):
            await storage.read(lambda uow: uow.users.get(user.id))

    async def test_a_failure_among_many_at_once_spoils_only_itself(self, storage: Storage) -> None:
        users = [a_user() for _ in range(40)]

        async def add(user: User, *, fails: bool) -> None:
            def work(uow: UnitOfWork) -> None:
                uow.users.add(user)
                if fails:
                    raise Boom

            with contextlib.suppress(Boom):
                await storage.write(work)

        async with asyncio.TaskGroup() as group:
            for n, user in enumerate(users):
                group.create_task(add(user, fails=n % 3 == 0))
        kept = await storage.read(lambda uow: uow.users.page(limit=100))
        assert {user.id for user in kept} == {user.id for n, user in enumerate(users) if n % 3}

    async def test_giving_up_on_a_write_breaks_nothing(self, storage: Storage) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(storage.write(lambda uow: uow.users.add(a_user()))) for _ in range(10)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
        last = a_user()
        await storage.write(lambda uow: uow.users.add(last))
        kept = await storage.read(lambda uow: uow.users.page(limit=100))
        assert 6 <= len(kept) <= 11


class TestSnapshots:
    async def test_a_reader_sees_one_moment(self, storage: Storage) -> None:
        user = a_user(name="0")
        await storage.write(lambda uow: (uow.users.add(user), uow.outbox.append(an_event())))

        def look(uow: UnitOfWork) -> tuple[int, int]:
            before = len(uow.outbox.waiting(99))
            name = int(uow.users.get(user.id).name)
            for _ in range(20):
                uow.tariffs.all()
            assert len(uow.outbox.waiting(99)) == before
            return name, before

        async def write() -> None:
            for n in range(1, 30):
                changed = replace(user, name=str(n))
                await storage.write(lambda uow, u=changed: (uow.users.save(u), uow.outbox.append(an_event())))  # type: ignore[misc]

        async def read() -> None:
            for _ in range(10):
                name, events = await storage.read(look)
                assert events == name + 1

        async with asyncio.TaskGroup() as group:
            group.create_task(write())
            for _ in range(3):
                group.create_task(read())

    async def test_what_was_written_is_seen_by_the_next_reader(self, storage: Storage) -> None:
        for n in range(20):
            user = a_user(name=str(n))
            await storage.write(lambda uow, user=user: uow.users.add(user))  # type: ignore[misc]
            assert await storage.read(lambda uow, user=user: uow.users.get(user.id)) == user  # type: ignore[misc]


class TestRaces:
    async def test_one_of_twenty_buyers_gets_the_last_place(self, storage: Storage) -> None:
        server = (await open_shop(storage, capacity=1)).server
        won: list[int] = []

        async def buy(n: int) -> None:
            def work(uow: UnitOfWork) -> None:
                if not uow.servers.take_place(server.id):
                    raise NoCapacity
                uow.outbox.append(an_event())

            with contextlib.suppress(NoCapacity):
                await storage.write(work)
                won.append(n)

        async with asyncio.TaskGroup() as group:
            for n in range(20):
                group.create_task(buy(n))
        assert len(won) == 1
        assert (await storage.read(lambda uow: uow.servers.get(server.id))).reserved == 1
        assert len(await storage.read(lambda uow: uow.outbox.waiting(99))) == 1

    async def test_no_change_of_a_locked_row_is_lost(self, storage: Storage) -> None:
        user = a_user(name="0")
        await storage.write(lambda uow: uow.users.add(user))

        def count(uow: UnitOfWork) -> None:
            mine = uow.users.lock(user.id)
            uow.users.save(replace(mine, name=str(int(mine.name) + 1)))

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(storage.write(count))
        assert (await storage.read(lambda uow: uow.users.get(user.id))).name == "20"

    async def test_one_of_twenty_deliveries_is_the_first(self, storage: Storage) -> None:
        payment = a_payment()

        def receive(uow: UnitOfWork) -> bool:
            first = uow.payments.first_sight(Provider.STRIPE, "evt", NOW)
            return uow.payments.add(payment) and first

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(storage.write(receive)) for _ in range(20)]
        assert sorted(task.result() for task in tasks) == [False] * 19 + [True]

    async def test_asking_for_one_job_at_once_counts_every_time(self, storage: Storage) -> None:
        job = a_job()
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(storage.write(lambda uow: uow.jobs.ask(job)))
        (claimed,) = await storage.write(lambda uow: uow.jobs.claim(NOW, NOW, 9))
        assert claimed.revision == 20

    async def test_crossed_locks_are_sorted_out(self, storage: Storage) -> None:
        one, two = a_user(name="0"), a_user(name="0")
        await storage.write(lambda uow: [uow.users.add(user) for user in (one, two)])

        async def swap(first: User, second: User) -> None:
            def work(uow: UnitOfWork) -> None:
                for user in (first, second):
                    mine = uow.users.lock(user.id)
                    uow.users.save(replace(mine, name=str(int(mine.name) + 1)))

            await storage.write(work)

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(swap(one, two))
                group.create_task(swap(two, one))
        users = await storage.read(lambda uow: uow.users.page(limit=2))
        assert [user.name for user in users] == ["6", "6"]

    async def test_due_subscriptions_are_worked_off_once(self, storage: Storage) -> None:
        for _ in range(6):
            shop = await open_shop(storage)
            due = replace(shop.subscription, check_at=NOW)
            await storage.write(lambda uow, due=due: uow.subscriptions.save(due))  # type: ignore[misc]

        def work(uow: UnitOfWork) -> list[object]:
            found = uow.subscriptions.due(NOW, 2)
            uow.subscriptions.save(*(replace(s, check_at=None) for s in found))
            return [s.id for s in found]

        done: list[object] = []
        while len(done) < 6:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(storage.write(work)) for _ in range(4)]
            found = [subscription for task in tasks for subscription in task.result()]
            assert found
            done += found
        assert len(set(done)) == 6
