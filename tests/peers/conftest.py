"""Tests against the real V2Ray, Xray, nginx and RabbitMQ.

Without ``VEILBOT_TEST_PEERS=1`` nothing here is collected, so that the README's test command needs nothing but Python;
with it, a program that is absent is a failure.
"""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.rabbit_server import PrivateBroker, any_broker, private_broker

from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.system import SystemClock, SystemIds
from veilbot_adapters.vpn.v2ray import V2RayProtocol
from veilbot_runners.container import Container, open_container
from veilbot_runners.settings import load

collect_ignore_glob = [] if os.environ.get("VEILBOT_TEST_PEERS") == "1" else ["test_*.py"]


@pytest.fixture
async def vpn() -> AsyncIterator[V2RayProtocol]:
    """The adapter as the container makes it, but with endless trust."""
    clock = SystemClock()
    ids = SystemIds(clock)
    guards = Guards(clock, ids, Limits(fail_max=1_000_000))  # the breaker has tests of its own
    protocol = V2RayProtocol(guards, clock, ids, allow_private=True)
    yield protocol
    await protocol.close()


@pytest.fixture
async def container(sqlite_url: str) -> AsyncIterator[Container]:
    """A shop on a database of its own."""
    async with open_container(load(env_file=None, database_url=sqlite_url, allow_private_servers=True)) as opened:
        yield opened


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """The address of a RabbitMQ for the whole run; each test takes a prefix of its own."""
    with any_broker() as url:
        yield url


@pytest.fixture(scope="session")
def private() -> Iterator[PrivateBroker]:
    """A RabbitMQ that tests may kill; whoever does starts it again."""
    with private_broker() as broker:
        yield broker
