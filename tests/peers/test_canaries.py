"""No secret is found in anything that RabbitMQ was ever given: the queues' bodies, its files, the facts for others."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aio_pika.abc import AbstractIncomingMessage
from tests.journeys.canaries import dump, haunt, overheard, remembered, seen
from tests.journeys.world import World, eventually, open_world
from tests.peers.broker import outside
from tests.postgres import Server
from tests.rabbit_server import PrivateBroker, private_broker
from tests.redis_server import private_redis


@pytest.fixture
def broker() -> Iterator[PrivateBroker]:
    with private_broker() as server:
        yield server


@pytest.fixture
def redis_url() -> Iterator[str]:
    with private_redis() as server:
        yield server.url


@pytest.fixture
async def world(tmp_path: Path, postgres: Server) -> AsyncIterator[World]:
    postgres.create("canaries", "template1")
    async with open_world(tmp_path, postgres.url("canaries")) as opened:
        await opened.stock()
        yield opened
    postgres.drop("canaries")


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[list[AbstractIncomingMessage]]:
    """Collect all facts that go to other systems."""
    heard: list[AbstractIncomingMessage] = []
    async with outside(url) as channel:
        exchange = await channel.declare_exchange("veilbot.events", "topic", durable=True)
        queue = await channel.declare_queue("a-listener", exclusive=True)
        await queue.bind(exchange, "#")

        async def hear(message: AbstractIncomingMessage) -> None:
            heard.append(message)

        await queue.consume(hear, no_ack=True)
        yield heard


def everything(folder: Path) -> str:
    """Return all files of the broker: quorum queues write each message down before anybody gets it."""
    return "".join(file.read_bytes().decode("latin-1") for file in sorted(folder.rglob("*")) if file.is_file())


async def test_the_broker_is_told_no_secret(world: World, broker: PrivateBroker, redis_url: str) -> None:
    async with listening(broker.url) as facts, overheard(redis_url) as heard:
        haunted = await haunt(world, VEILBOT_REDIS_URL=redis_url, VEILBOT_BROKER_URL=broker.url)

        async def told() -> bool:
            return {fact.routing_key for fact in facts} >= {"payment.succeeded", "order.fulfilled", "key.issued"}

        await eventually("the facts of the order", told)
        said = "\n".join(f"{fact.routing_key} {fact.headers} {fact.body.decode()}" for fact in facts)
    assert haunted.order_id in said
    assert seen(said, haunted.secrets, beside=haunted.order_id) == []
    written = everything(broker.home)
    assert seen(written, haunted.secrets, beside=haunted.order_id) == []
    assert all(f'"{kind}"' in written for kind in ("apply_key", "tell_ready", "fulfil_order")), (
        "the tickets are among it"
    )
    rows, _ = await dump(world.environment["VEILBOT_DATABASE_URL"])
    assert seen(rows, haunted.secrets, beside=haunted.order_id) == []
    noticed = b"".join(heard).decode("latin-1") + remembered(redis_url)
    assert seen(noticed, haunted.secrets, beside=haunted.user_id) == []
    assert seen(world.log.read_text(encoding="utf-8"), haunted.secrets, beside="job apply_key") == []
