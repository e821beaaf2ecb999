"""The shop that the API's tests call."""

from collections.abc import AsyncIterator

import pytest
from tests.runners.api.world import World, open_world


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_world() as opened:
        yield opened
