"""Facts on their way out."""

from tests.contracts.storage.things import NOW, an_event, new_id

from veilbot_core.domain.events import EventType
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.jobs import JobKind
from veilbot_core.ports.storage import Storage


class TestOutbox:
    async def test_facts_wait_oldest_first(self, storage: Storage) -> None:
        facts = [an_event(data={"amount": 10**15, "код": "да", "none": None}, user_id=UserId(new_id())), an_event()]
        await storage.write(lambda uow: uow.outbox.append(*reversed(facts)))
        assert list(await storage.read(lambda uow: uow.outbox.waiting(9))) == facts
        assert list(await storage.read(lambda uow: uow.outbox.waiting(1))) == facts[:1]

    async def test_sent_facts_wait_no_more(self, storage: Storage) -> None:
        facts = [an_event() for _ in range(3)]
        await storage.write(lambda uow: uow.outbox.append(*facts))
        await storage.write(lambda uow: uow.outbox.sent(iter([facts[0].id, facts[2].id]), NOW))
        assert list(await storage.read(lambda uow: uow.outbox.waiting(9))) == [facts[1]]

    async def test_nothing_to_append_or_to_mark_does_nothing(self, storage: Storage) -> None:
        await storage.write(lambda uow: uow.outbox.append())
        await storage.write(lambda uow: uow.outbox.sent([], NOW))
        await storage.write(lambda uow: uow.publish())

    async def test_a_large_batch(self, storage: Storage) -> None:
        facts = [an_event() for _ in range(5000)]
        await storage.write(lambda uow: uow.outbox.append(*facts))
        await storage.write(lambda uow: uow.outbox.sent([fact.id for fact in facts[:-1]], NOW))
        assert list(await storage.read(lambda uow: uow.outbox.waiting(5000))) == facts[-1:]

    async def test_publishing_brings_the_work_that_follows(self, storage: Storage) -> None:
        fact = an_event(type=EventType.ORDER_PAID)
        await storage.write(lambda uow: uow.publish(fact))
        assert list(await storage.read(lambda uow: uow.outbox.waiting(9))) == [fact]
        claimed = await storage.write(lambda uow: uow.jobs.claim(NOW, NOW, 9))
        assert [(job.kind, job.subject) for job in claimed] == [(JobKind.FULFIL_ORDER, fact.subject)]
