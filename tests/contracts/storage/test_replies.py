"""Answers to requests that carried an idempotency key."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import pytest
from tests.contracts.storage.things import HOUR, NOW, SECOND, new_id

from veilbot_core.ports.storage import Storage, UnitOfWork


async def begin(storage: Storage, key: UUID, *, now: datetime = NOW, print_: str = "a") -> Mapping[str, object] | None:
    return await storage.write(lambda uow: uow.replies.begin(key, print_, now, now + HOUR))


class TestReplies:
    async def test_a_new_request_is_open(self, storage: Storage) -> None:
        key = new_id()
        assert await begin(storage, key) is None
        row = await begin(storage, key, print_="b")
        assert row is not None
        assert (row["fingerprint"], row["status"], row["body"]) == ("a", None, None)

    async def test_an_answer_is_remembered(self, storage: Storage) -> None:
        key = new_id()
        await begin(storage, key)
        await storage.write(lambda uow: uow.replies.answer(key, 201, b"\x00{}\xff"))
        for now in (NOW, NOW + 2 * HOUR):
            row = await begin(storage, key, now=now)
            assert row is not None
            assert (row["fingerprint"], row["status"], row["body"]) == ("a", 201, b"\x00{}\xff")

    async def test_an_unanswered_request_can_be_made_again_when_its_time_ran_out(self, storage: Storage) -> None:
        key = new_id()
        await begin(storage, key)
        assert await begin(storage, key, now=NOW + HOUR - SECOND) is not None
        assert await begin(storage, key, now=NOW + HOUR, print_="b") is None
        row = await begin(storage, key, now=NOW + HOUR)
        assert row is not None
        assert row["fingerprint"] == "b"

    async def test_an_unanswered_request_can_be_released(self, storage: Storage) -> None:
        key = new_id()
        await begin(storage, key)
        await storage.write(lambda uow: uow.replies.release(key))
        assert await begin(storage, key, print_="b") is None
        assert await begin(storage, key) is not None

    async def test_an_answered_request_is_not_released(self, storage: Storage) -> None:
        key = new_id()
        await begin(storage, key)
        await storage.write(lambda uow: uow.replies.answer(key, 200, b""))
        await storage.write(lambda uow: uow.replies.release(key))
        assert await begin(storage, key) is not None

    async def test_what_a_request_made_is_remembered_over_its_attempts(self, storage: Storage) -> None:
        key, thing, other = new_id(), new_id(), new_id()
        await begin(storage, key)
        assert await storage.write(lambda uow: uow.replies.made(key, thing)) is None
        assert await storage.write(lambda uow: uow.replies.made(key, other)) == thing
        assert await storage.write(lambda uow: uow.replies.made(key, thing)) == thing
        await storage.write(lambda uow: uow.replies.release(key))
        assert await begin(storage, key) is None
        assert await storage.write(lambda uow: uow.replies.made(key, other)) == thing
        assert await begin(storage, key, now=NOW + HOUR) is None
        assert await storage.write(lambda uow: uow.replies.made(key, other)) == thing

    async def test_what_made_something_is_no_other_request_any_more(self, storage: Storage) -> None:
        key, thing = new_id(), new_id()
        await begin(storage, key)
        await storage.write(lambda uow: uow.replies.made(key, thing))
        await storage.write(lambda uow: uow.replies.release(key))
        row = await begin(storage, key, print_="b")
        assert row is not None
        assert row["fingerprint"] == "a"

    async def test_what_was_undone_was_not_made(self, storage: Storage) -> None:
        key, thing, other = new_id(), new_id(), new_id()
        await begin(storage, key)

        def fail(uow: UnitOfWork) -> None:
            uow.replies.made(key, thing)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await storage.write(fail)
        assert await storage.write(lambda uow: uow.replies.made(key, other)) is None

    async def test_nothing_is_remembered_of_a_request_without_a_key(self, storage: Storage) -> None:
        key, thing = new_id(), new_id()
        for _ in range(2):
            assert await storage.write(lambda uow: uow.replies.made(key, thing)) is None

    async def test_old_ones_are_purged_in_bounded_steps(self, storage: Storage) -> None:
        old = [new_id() for _ in range(3)]
        for key in old:
            await begin(storage, key)
        fresh = new_id()
        await begin(storage, fresh, now=NOW + SECOND)
        purged = [await storage.write(lambda uow: uow.replies.purge(NOW + SECOND, 2)) for _ in range(3)]
        assert purged == [2, 1, 0]
        assert await begin(storage, fresh, now=NOW + SECOND) is not None
        assert await begin(storage, old[0]) is None
