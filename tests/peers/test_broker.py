"""What a real RabbitMQ is sent, and what becomes of it: dead letters, purges, hangs and deaths."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel, FieldValue
from aio_pika.exceptions import ChannelPreconditionFailed
from tests.peers.broker import a_prefix, ends, outside, waiting
from tests.rabbit_server import PrivateBroker
from tests.waiting import PATIENCE

from veilbot_adapters.rabbitmq import RabbitConnection, SharedRabbit
from veilbot_adapters.system import SystemClock
from veilbot_adapters.testing.bus import facts
from veilbot_adapters.testing.queue import tickets, until, working
from veilbot_core.domain.errors import InvalidInput, Unavailable
from veilbot_core.domain.jobs import Ticket
from veilbot_runners.checkup import examine
from veilbot_runners.container import open_broker, open_container
from veilbot_runners.settings import load


@pytest.fixture
async def end(broker_url: str) -> AsyncIterator[SharedRabbit]:
    async with ends(broker_url) as (made,):
        yield made


class TestDeadLetters:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"garbage \xff",
            b"null",
            b"[" * 100_000,
            b'{"id": 1}',
            b'{"id": "x", "fence": 1, "lease": "soon", "kind": "sweep", "subject": "y", "detail": ""}',
            json.dumps(
                {
                    "id": str(tickets(1)[0].id),
                    "fence": 1,
                    "lease": tickets(1)[0].lease.isoformat(),
                    "kind": "a_kind_of_a_newer_version",
                    "subject": str(tickets(1)[0].subject),
                    "detail": "",
                }
            ).encode(),
        ],
        ids=["empty", "garbage", "null", "deep", "too little", "wrong", "newer"],
    )
    async def test_what_is_no_ticket_is_put_aside_and_holds_nothing_up(
        self, end: SharedRabbit, broker_url: str, body: bytes
    ) -> None:
        prefix, put = end.connection.prefix, tickets(20)
        async with outside(broker_url) as channel, working(end.queue, slots=2) as worker:
            for _ in range(5):
                await channel.default_exchange.publish(Message(body), f"{prefix}.jobs")
            await end.queue.put(put)
            await until(lambda: len(worker.ended) == len(put))
            await _lie(channel, f"{prefix}.dead", 5)
            dead = await channel.declare_queue(f"{prefix}.dead", passive=True)
            letter = await dead.get(no_ack=True)
            assert letter.body == body
            assert letter.headers["x-first-death-queue"] == f"{prefix}.jobs"
            assert letter.headers["x-first-death-reason"] == "rejected"

    async def test_a_ticket_whose_takers_all_fail_is_put_aside(self, end: SharedRabbit, broker_url: str) -> None:
        async with outside(broker_url) as channel, working(end.queue, fails=1000) as worker:
            await end.queue.put(tickets(1))
            await _lie(channel, f"{end.connection.prefix}.dead", 1)
        assert 1000 - worker.fails == 21


class TestTopology:
    @pytest.mark.parametrize("change", [{}, {"x-queue-type": "classic"}, {"x-delivery-limit": 5}])
    async def test_queues_are_durable_quorums_with_a_limit_and_a_place_for_the_dead(
        self, end: SharedRabbit, broker_url: str, change: dict[str, FieldValue]
    ) -> None:
        """RabbitMQ lets a queue be declared again only as it is."""
        prefix = end.connection.prefix
        arguments: dict[str, FieldValue] = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": f"{prefix}.dead",
            "x-delivery-limit": 20,
        }
        async with outside(broker_url) as channel:
            declaring = channel.declare_queue(f"{prefix}.jobs", durable=True, arguments={**arguments, **change})
            if change:
                with pytest.raises(ChannelPreconditionFailed):
                    await declaring
            else:
                await declaring

    async def test_messages_are_persistent_and_hold_ids_alone(self, end: SharedRabbit, broker_url: str) -> None:
        prefix = end.connection.prefix
        await end.queue.put(tickets(1))
        async with outside(broker_url) as channel:
            queue = await channel.declare_queue(f"{prefix}.jobs", passive=True)
            message = await queue.get()
            assert message.delivery_mode == 2
            assert json.loads(message.body) == {
                "id": str(tickets(1)[0].id),
                "fence": 1,
                "lease": tickets(1)[0].lease.isoformat(),
                "kind": message.type,
                "subject": str(tickets(1)[0].subject),
                "detail": "d1",
            }

    async def test_a_queue_made_in_another_way_is_one_sentence(self, broker_url: str) -> None:
        prefix = a_prefix()
        async with outside(broker_url) as channel:
            await channel.declare_queue(f"{prefix}.jobs", durable=True)
        with pytest.raises(InvalidInput, match="other options"):
            async with ends(broker_url, prefix=prefix):
                pass

    async def test_a_queue_that_somebody_deleted_is_made_anew(self, end: SharedRabbit, broker_url: str) -> None:
        async with outside(broker_url) as channel:
            await channel.queue_delete(f"{end.connection.prefix}.jobs")
        assert await end.queue.room() == 500
        await end.queue.put(tickets(3))
        async with working(end.queue) as worker:
            await until(lambda: len(worker.ended) == 3)

    async def test_facts_need_nobody_who_listens(self, end: SharedRabbit) -> None:
        await end.bus.publish(facts(200))
        assert await end.queue.room() == 500


class TestOutages:
    async def test_killed_it_refuses_at_once_and_goes_on_by_itself_when_it_is_back(
        self, private: PrivateBroker
    ) -> None:
        put = tickets(40)
        async with ends(private.url, 2) as (one, two):
            await one.queue.put(put[:10])
            private.kill()
            try:
                await _refuses(one)
                for _ in range(20):
                    _refuses_at_once(one)
            finally:
                private.start()
            async with working(two.queue) as worker:
                await _put(one, put[10:20])
                await until(lambda: len(set(worker.ended)) == 20)  # those from before its death too
                private.kill()
                private.start()
                await _put(one, put[20:])
                await until(lambda: len(set(worker.ended)) == 40)

    async def test_hung_it_costs_no_more_than_the_patience(self, private: PrivateBroker) -> None:
        async with ends(private.url) as (end,):
            with private.hung():
                async with asyncio.timeout(PATIENCE):
                    await _refuses(end)
                _refuses_at_once(end)
            await _put(end, tickets(1))
            await end.bus.publish(facts(2))

    async def test_one_may_begin_to_consume_while_it_is_away(self, private: PrivateBroker) -> None:
        async with ends(private.url, 2) as (one, two):
            private.kill()
            async with working(two.queue) as worker:
                await asyncio.sleep(1)
                private.start()
                await _put(one, tickets(3))
                await until(lambda: len(set(worker.ended)) == 3)


class TestSettings:
    @pytest.mark.parametrize(
        ("url", "error"),
        [
            ("amqp://guest:hunter2@127.0.0.1:9/", Unavailable),
            ("http://hunter2", InvalidInput),
            ("hunter2", InvalidInput),
            ("amqp://", InvalidInput),
        ],
    )
    async def test_one_that_is_not_to_be_reached_is_one_sentence(self, url: str, error: type[Exception]) -> None:
        with pytest.raises(error, match="VEILBOT_BROKER_URL: ") as caught:
            async with open_container(load(env_file=None, broker_url=url)) as container, open_broker(container):
                pass
        assert "hunter2" not in str(caught.value)

    async def test_nor_is_one_that_knows_us_not(self, broker_url: str) -> None:
        url = broker_url.replace("guest:guest", "guest:hunter2")
        with pytest.raises(Unavailable, match=r"cannot be reached \(it refuses the user or the password\)$") as caught:
            async with open_container(load(env_file=None, broker_url=url)) as container, open_broker(container):
                pass
        assert "hunter2" not in repr(caught.value)

    async def test_the_doctor_looks_at_it(
        self, broker_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        settings = tmp_path / ".env"
        settings.touch()
        monkeypatch.setenv("VEILBOT_DATABASE_URL", sqlite_url)
        monkeypatch.setenv("VEILBOT_BROKER_URL", broker_url)
        found = {finding.check: finding for finding in await examine(settings)}
        assert found["broker"].ok
        monkeypatch.setenv("VEILBOT_BROKER_URL", "amqp://127.0.0.1:9/")
        found = {finding.check: finding for finding in await examine(settings)}
        assert not found["broker"].ok
        assert "VEILBOT_BROKER_URL" in found["broker"].says

    def test_its_address_is_a_secret(self) -> None:
        url = "amqp://shop:hunter2@10.0.0.1/"
        settings = load(env_file=None, broker_url=url)
        assert "hunter2" not in repr(settings)
        assert url in settings.secrets()
        assert "hunter2" not in repr(vars(SharedRabbit(RabbitConnection(url, SystemClock()))))


async def _refuses(end: SharedRabbit) -> None:
    with pytest.raises(Unavailable):
        await end.queue.put([replace(tickets(1)[0], fence=0)])


def _refuses_at_once(end: SharedRabbit) -> None:
    put: Coroutine[Any, Any, None] = end.queue.put([replace(tickets(1)[0], fence=0)])
    with pytest.raises(Unavailable):
        put.send(None)  # it waits for nobody, not even for its turn


async def _put(end: SharedRabbit, put: Sequence[Ticket]) -> None:
    """Put, as often as it takes: a quorum that has just started needs a while for its first vote."""
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            try:
                await end.queue.put(put)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def _lie(channel: AbstractChannel, queue: str, count: int) -> None:
    """Wait until as many messages lie in a queue."""
    async with asyncio.timeout(PATIENCE):
        while await waiting(channel, queue) < count:  # noqa: ASYNC110 - they lie elsewhere
            await asyncio.sleep(0.01)
