"""Doorbell that rings in every process."""

import asyncio

from veilbot_adapters.redis.connection import Listener, RedisConnection
from veilbot_core.ports.doorbell import Doorbell


class RedisDoorbell(Doorbell):
    """Rings here at once and in the other processes a moment later; while Redis is down, they look at every poll."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._channel = connection.key("ring", "work")
        self._rung = asyncio.Event()
        connection.attach(self._channel, Listener(hear=self._hear))

    def ring(self) -> None:
        """Wake everyone who waits; call it on the event loop's thread."""
        self._rung.set()
        self._connection.say(self._channel)

    async def wait(self, seconds: float) -> None:
        """Return at a ring, or after ``seconds``."""
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return
        finally:
            self._rung.clear()

    def _hear(self, _: bytes) -> None:
        self._rung.set()
