"""Connection: the way to one RabbitMQ, through FastStream.

aio-pika brings a broken connection back by itself, with everything that was declared on it. What it does not do is
refuse while it is broken: a call would wait for as long as that lasts. So calls go through `RabbitConnection.call`,
which refuses at once while RabbitMQ is known to be away, and has little patience otherwise.
"""

import asyncio
import logging
from asyncio import IncompleteReadError
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from aio_pika.exceptions import (
    AMQPException,
    AuthenticationError,
    ChannelPreconditionFailed,
    ConnectionClosed,
    ProbableAuthenticationError,
)
from faststream.rabbit import Channel, RabbitBroker
from yarl import URL

from veilbot_adapters.hearsay import repeat
from veilbot_core.domain.errors import InvalidInput, Unavailable, because
from veilbot_core.ports.clock import Clock

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
FAILURES = (AMQPException, OSError, TimeoutError, RuntimeError)
"""What aio-pika raises for a RabbitMQ that is away, goes away, or refuses; RuntimeError is one that is reconnecting."""
PAUSE = 0.5
"""Seconds between attempts to reach a RabbitMQ that is away."""
_REST = 10.0  # seconds for which one that did not answer in time is left alone
_HEARTBEAT = 10  # seconds; without, a peer that vanished without a word is believed in for minutes


class RabbitConnection:
    """Makes brokers of one address, and keeps the one that publishes; the address is never shown."""

    def __init__(self, url: str, clock: Clock, *, prefix: str = "veilbot", patience: float = 3.0) -> None:
        """Prepare. Raises InvalidInput for what is no address.

        Args:
            url: ``amqp://`` or ``amqps://``.
            clock: the time.
            prefix: stands before the name of every queue and exchange.
            patience: seconds for a call.
        """
        self.prefix = prefix
        self.clock = clock
        self.patience = patience
        self._up = False
        self._rests_until = 0.0
        self._address = _read(url)
        # Two connections: RabbitMQ stops reading from one that publishes too fast, and acknowledgements with it.
        self._publisher = self.broker(Channel(on_return_raises=True), fell=self._fell, rose=self._rose)

    def broker(
        self, channel: Channel, *, fell: Callable[..., None] | None = None, rose: Callable[..., None] | None = None
    ) -> RabbitBroker:
        """Return a broker that is not connected yet."""
        return RabbitBroker(
            self._address,
            default_channel=channel,
            apply_types=False,
            logger=None,
            timeout=2 * self.patience,
            reconnect_interval=PAUSE,
            graceful_timeout=0,  # what runs is waited for by who started it
            on_close=[fell] if fell else (),
            on_reconnected=[rose] if rose else (),
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect, and stay connected until the end.

        Raises:
            Unavailable: RabbitMQ does not answer now, or knows us not; later outages are waited out.
        """
        try:
            try:
                async with asyncio.timeout(4 * self.patience):
                    await self._publisher.start()
            except FAILURES as error:
                raise Unavailable(f"RabbitMQ cannot be reached ({_why(error)})") from None
            self._up = True
            yield
        finally:
            self._up = False
            await self.end(self._publisher)

    async def call(self, work: Callable[[RabbitBroker], Awaitable[T]]) -> T:
        """Do ``work`` with the broker that publishes.

        Raises:
            Unavailable: at once while RabbitMQ is away, and when it fails or takes too long.
            InvalidInput: a queue of that name is there, made by somebody else in another way.
        """
        if not self._up or self.clock.monotonic() < self._rests_until:
            raise Unavailable("RabbitMQ is away", retry_after=PAUSE)
        try:
            async with asyncio.timeout(self.patience):
                return await work(self._publisher)
        except ChannelPreconditionFailed:
            raise InvalidInput(f"a queue or exchange {self.prefix}.* is there with other options; delete it") from None
        except FAILURES as error:
            self._rests_until = self.clock.monotonic() + _REST
            raise Unavailable(f"RabbitMQ failed: {_why(error)}", retry_after=_REST) from None

    async def end(self, broker: RabbitBroker) -> None:
        """Close a broker's connection, whatever state it is in; what it did not acknowledge goes back."""
        connection = getattr(broker, "_connection", None)
        with suppress(*FAILURES):
            async with asyncio.timeout(self.patience):
                await broker.stop()
        if connection is not None and not connection.is_closed:
            with suppress(*FAILURES):
                async with asyncio.timeout(self.patience):
                    await connection.close()

    def _fell(self, *_: object) -> None:
        """Refuse from now on; the log hears of an outage once."""
        if self._up:
            _LOG.warning("RabbitMQ is away, the shop goes on without it")
        self._up = False

    def _rose(self, *_: object) -> None:
        _LOG.info("RabbitMQ is back")
        self._up, self._rests_until = True, 0.0


def _why(error: Exception) -> str:
    """Return in a few words why RabbitMQ cannot be used; its own words may hold the address."""
    if isinstance(error, AuthenticationError | ProbableAuthenticationError):
        return "it refuses the user or the password"
    if isinstance(error.__cause__, IncompleteReadError):
        return "it does not speak AMQP, or ended the connection"
    if isinstance(error, ConnectionClosed):
        return repeat(str(error))
    return because(error)


def _read(url: str) -> URL:
    try:
        address = URL(url)
    except ValueError:
        address = URL()
    if address.scheme not in {"amqp", "amqps"} or not address.host:
        raise InvalidInput("a RabbitMQ is amqp:// or amqps:// and an address")
    return address if "heartbeat" in address.query else address.update_query(heartbeat=_HEARTBEAT)


async def all_of(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do calls side by side, begun in this order; the first failure ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(call)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
