"""One local Stripe for all tests of a module."""

from collections.abc import AsyncIterator

import pytest
from tests.adapters.payments.served import ServedStripe, gateway_to, serve_stripe

from veilbot_adapters.payments.stripe import StripeGateway


@pytest.fixture(scope="session")
async def served_once() -> AsyncIterator[ServedStripe]:
    async with serve_stripe() as served:
        yield served


@pytest.fixture
def served(served_once: ServedStripe) -> ServedStripe:
    served_once.heard.clear()
    served_once.answers.clear()
    served_once.sandbox.troubles.clear()
    return served_once


@pytest.fixture
async def gateway(served: ServedStripe) -> AsyncIterator[StripeGateway]:
    async with gateway_to(served.api_base) as gateway:
        yield gateway
