"""The contract of the doorbell port."""

import asyncio

import pytest

from veilbot_core.ports.doorbell import Doorbell

_PATIENCE = 60.0  # seconds after which something will never happen, on any machine


@pytest.mark.asyncio
class DoorbellContract:
    """A `Doorbell` wakes who waits, remembers one ring, and waits no longer than the seconds it was given.

    ``subject`` is the doorbell itself.
    """

    @pytest.fixture
    def subject(self) -> Doorbell:
        """Return what is tried; yours takes the place of this one."""
        raise NotImplementedError

    async def test_is_a_doorbell(self, subject: Doorbell) -> None:
        assert isinstance(subject, Doorbell)

    async def test_a_ring_wakes_who_waits(self, subject: Doorbell) -> None:
        async with asyncio.timeout(_PATIENCE), asyncio.TaskGroup() as group:
            waits = [group.create_task(subject.wait(3600)) for _ in range(3)]
            await asyncio.sleep(0.01)
            assert not any(wait.done() for wait in waits)
            subject.ring()

    async def test_a_ring_before_the_wait_is_heard_once(self, subject: Doorbell) -> None:
        subject.ring()
        subject.ring()
        async with asyncio.timeout(_PATIENCE):
            await subject.wait(3600)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await subject.wait(3600)

    async def test_without_a_ring_the_wait_ends_by_itself(self, subject: Doorbell) -> None:
        async with asyncio.timeout(_PATIENCE):
            await subject.wait(0.01)
            await subject.wait(0.0)

    async def test_a_cancelled_wait_loses_no_later_ring(self, subject: Doorbell) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await subject.wait(3600)
        subject.ring()
        async with asyncio.timeout(_PATIENCE):
            await subject.wait(3600)
