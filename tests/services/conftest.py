"""A world per test; what must always be true is checked at its end."""

from collections.abc import AsyncIterator

import pytest
from tests.services.world import World

from veilbot_core.domain.server import Server
from veilbot_core.domain.tariff import Tariff
from veilbot_core.domain.user import User


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """An empty shop."""
    made = World()
    yield made
    await made.prove()


@pytest.fixture
async def server(world: World) -> Server:
    """An Outline server in the Netherlands with ten places."""
    return await world.server(capacity=10)


@pytest.fixture
async def tariff(world: World) -> Tariff:
    """Thirty days for 4.99 USD."""
    return await world.tariff()


@pytest.fixture
async def ann(world: World) -> User:
    """A customer on Telegram who reads English."""
    return await world.customer()


@pytest.fixture
async def bob(world: World) -> User:
    """Another one."""
    return await world.customer()
