"""The contracts: what every adapter of a port must do, as classes of tests to inherit from.

One module per port, with the port's name; a class in it asks for one fixture, ``subject``::

    from veilbot_adapters.testing.limiter import LimiterContract, LimiterSubject


    class TestMyLimiter(LimiterContract):
        @pytest.fixture
        def subject(self, tmp_path):
            limiter = MyLimiter(tmp_path / "limits.db")
            return LimiterSubject(limiter=limiter, elapse=asyncio.sleep)

The asynchronous ones run on pytest-asyncio, in its strict mode as well. This package is a pytest plugin, found by
itself once ``veilbot[testing]`` is installed; all that it does is to let pytest explain the contracts' assertions.
"""

import pytest

PORTS = (
    "bus",
    "cache",
    "clock",
    "doorbell",
    "failpoints",
    "ids",
    "limiter",
    "notifier",
    "payments",
    "queue",
    "secrets",
    "vpn",
)

pytest.register_assert_rewrite(*(f"{__name__}.{port}" for port in PORTS))
