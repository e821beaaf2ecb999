"""Connection: one Redis, watched by a task of its own.

The watcher is the circuit breaker's probe: the first call that fails shuts the way, every further one is refused
within microseconds, and only the watcher tries Redis again. It holds the subscription as well, so that Redis counts
as up only while what other processes say is heard.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as Late

from veilbot_core.domain.errors import InvalidInput, Unavailable, because
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_FAILURES = (Broken, Late, ResponseError, OSError, TimeoutError)
_PLACES = 32  # connections; who finds none free waits, within its patience
_PAUSE = 0.5  # seconds between looks for a Redis that is down
_LOOK = 0.25  # seconds after which the watcher sees that a call has failed
_BEAT = 4  # looks without a word after which the subscription is asked for a sign of life
_SILENCE = 12  # and those that end it; looks, not seconds: a process that stood still itself proves nothing


async def _nothing(_: Redis) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who wants to know what other processes say on a channel."""

    hear: Callable[[bytes], None]
    """Takes what another process said; what this one says itself does not come back."""
    lost: Callable[[], None] = lambda: None
    """From now on nothing is heard."""
    back: Callable[[Redis], Awaitable[None]] = _nothing
    """From now on everything is heard again; calls are let through when this returns."""


class RedisConnection:
    """The one way to a Redis; attach listeners, then `open` it. Its address may hold a password and is never shown."""

    def __init__(self, url: str, clock: Clock, ids: Ids, *, prefix: str = "veilbot", patience: float = 1.0) -> None:
        """Prepare. Raises InvalidInput for what is no address.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://``.
            clock: the time.
            ids: gives this end its name.
            prefix: stands before every key and channel.
            patience: seconds for a call, connecting included.
        """
        self.name = ids.new().hex
        self.prefix = prefix
        self._clock = clock
        self._patience = patience
        self._listeners: dict[str, Listener] = {}
        self._unsaid: set[str] = set()
        self._something = asyncio.Event()
        self._ready = asyncio.Event()
        self._up = False
        self._closing = False
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=_PLACES,
                timeout=patience,
                socket_timeout=patience,
                socket_connect_timeout=patience,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        except (ValueError, TypeError):
            raise InvalidInput("a Redis is redis://, rediss:// or unix:// and an address") from None
        self._client = Redis(connection_pool=pool)

    @property
    def up(self) -> bool:
        """Whether calls are let through."""
        return self._up

    def attach(self, channel: str, listener: Listener) -> None:
        """Let ``listener`` hear a channel; before `open`."""
        self._listeners[channel] = listener

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connect and keep watch until the end.

        Raises:
            Unavailable: Redis does not answer now; later outages are waited out.
            InvalidInput: the address asks for something that there is not.
        """
        failure: BaseException | None = None
        try:
            await self._ask(self._client.ping)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._watch()), group.create_task(self._speak())]
                try:
                    await self._wait_until_ready()
                    yield
                except BaseException as error:  # noqa: BLE001 - raised below: a group would wrap it
                    failure = error
                self._up, self._closing = False, True  # redis-py may swallow the one cancellation that a task gets
                for task in tasks:
                    task.cancel()
        except (*_FAILURES, TypeError) as error:
            raise _told(error) from None
        finally:
            await self._client.aclose()
            await self._client.connection_pool.disconnect()
        if failure is not None:
            raise failure

    async def call(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        """Do ``work``. Raises Unavailable: at once while Redis is down, and whenever it fails."""
        if not self._up:
            raise Unavailable("Redis is down", retry_after=_PAUSE)
        try:
            return await self._ask(lambda: work(self._client))
        except _FAILURES as error:
            self._fall(error)
            raise Unavailable(f"Redis failed: {type(error).__name__}", retry_after=_PAUSE) from None

    def say(self, channel: str) -> None:
        """Let the other processes hear this end's name on a channel, soon; several times before that are one."""
        if self._up:
            self._unsaid.add(channel)
            self._something.set()

    def key(self, kind: str, name: str) -> str:
        """Return a key, or a channel, of this shop."""
        return f"{self.prefix}:{kind}:{name}"

    async def _ask(self, work: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(self._patience):
            return await work()

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(3 * self._patience):
                await self._ready.wait()
        except TimeoutError:
            raise Unavailable("Redis answers, but lets nobody subscribe") from None

    async def _speak(self) -> None:
        while not self._closing:
            await self._something.wait()
            self._something.clear()
            said, self._unsaid = self._unsaid, set()
            for channel in said:
                try:
                    await self.call(lambda client, channel=channel: client.publish(channel, self.name))  # type: ignore[misc]
                except Unavailable:
                    break  # what nobody hears costs one poll interval

    async def _watch(self) -> None:
        while not self._closing:
            try:
                async with self._client.pubsub() as pubsub:
                    await self._ask(self._client.ping)
                    await self._listen(pubsub)
            except _FAILURES as error:
                self._fall(error)
            await self._clock.sleep(_PAUSE)

    async def _listen(self, pubsub: PubSub) -> None:
        """Hear what is said, until that or a call fails."""
        channels = {self.key("watch", "silence"), *self._listeners}
        await self._ask(lambda: pubsub.subscribe(*channels))
        missing = len(channels)
        silent = 0
        while (self._up or missing) and not self._closing:
            message = await pubsub.get_message(timeout=_LOOK)
            silent = 0 if message is not None else silent + 1
            if message is not None:
                missing -= message["type"] == "subscribe"
                if not missing and not self._up:
                    await self._rise()
                if message["type"] == "message":
                    self._tell(message["channel"].decode(), message["data"])
            elif silent == _SILENCE:
                raise Broken("silence")
            elif silent % _BEAT == 0:
                await self._ask(pubsub.ping)

    def _tell(self, channel: str, data: bytes) -> None:
        sender, _, rest = data.partition(b" ")
        if sender != self.name.encode() and channel in self._listeners:
            self._listeners[channel].hear(rest)

    async def _rise(self) -> None:
        for listener in self._listeners.values():
            await listener.back(self._client)
        self._up = True
        if self._ready.is_set():
            _LOG.info("Redis is back")
        self._ready.set()

    def _fall(self, error: Exception) -> None:
        """Shut the way; the log hears of an outage once."""
        if not self._up:
            return
        self._up = False
        _LOG.warning("Redis is down, the shop goes on without it: %s", type(error).__name__)
        for listener in self._listeners.values():
            listener.lost()


def _told(error: Exception) -> Exception:
    """Return in one sentence why Redis cannot be used; foreign messages may hold the address."""
    if isinstance(error, TypeError):
        return InvalidInput("the address of Redis has an unknown option")
    return Unavailable(f"Redis cannot be reached ({because(error)})")
