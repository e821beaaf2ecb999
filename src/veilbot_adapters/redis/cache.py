"""Cache in two steps: what this process keeps, then what all processes share."""

import asyncio
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from veilbot_adapters.redis.connection import Listener, RedisConnection
from veilbot_adapters.redis.far import Far
from veilbot_adapters.redis.near import Near
from veilbot_core.domain.errors import Unavailable
from veilbot_core.ports.cache import Cache
from veilbot_core.ports.clock import Clock

_NEAR = 5.0  # seconds that a process keeps a value without asking Redis, while it hears what is dropped
_DEAF = 1.0  # the same while it does not
_PATIENCE = 2.0  # seconds to wait for another process that makes the answer
_OWED = 10_000  # drops that are remembered through an outage; beyond that everything is dropped


class RedisCache(Cache):
    """Answers from this process cost nothing; a drop is heard by all processes within moments.

    While Redis is down it never raises: each process makes its own answers, keeps them for a second, and remembers
    what was dropped, to drop it in Redis before that is used again. A process that dies meanwhile takes what it
    remembered with it: then the others see an old value until its time is over.
    """

    def __init__(self, connection: RedisConnection, clock: Clock, *, size: int = 10_000) -> None:
        self._connection = connection
        self._clock = clock
        self._near = Near(clock, size)
        channel = connection.key("drop", "cache")
        self._far = Far(connection, channel)
        self._flights: dict[str, asyncio.Future[bytes]] = {}
        self._owed: dict[str, None] = {}
        self._turn = 0
        connection.attach(channel, Listener(hear=self._hear, lost=self._lost, back=self._settle))

    async def get(self, name: str) -> bytes | None:
        """Return what is kept and still good."""
        value, turn = self._near.get(name), self._turn
        if value is not None:
            return value
        try:
            found = await self._far.get(name)
        except Unavailable:
            return None
        if found is None:
            return None
        self._keep(name, *found, turn)
        return found[0]

    async def set(self, name: str, value: bytes, seconds: float) -> None:
        """Keep a value; an answer that is being made right now is older, and not kept over it."""
        self._forget(name)
        self._keep(name, value, seconds, self._turn)
        try:
            await self._far.put(name, value, seconds)
        except Unavailable:
            self._owe(name)

    async def drop(self, name: str) -> None:
        """Forget a value; an answer that is being made right now may be stale, and is not kept."""
        self._forget(name)
        try:
            await self._far.drop(name)
        except Unavailable:
            self._owe(name)

    async def fetch(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return what is kept, or wait for who makes it here or elsewhere, or make it.

        When the maker fails, all who wait in this process fail with it and nothing is kept; when it is cancelled, one
        of them makes. Another process is waited for only so long: it may be dead.
        """
        while True:
            kept = self._near.get(name)
            if kept is not None:
                return kept
            flight = self._flights.get(name)
            if flight is None:
                return await self._lead(name, seconds, make)
            await asyncio.wait([flight])  # unlike awaiting it, this does not cancel it when we are cancelled
            if not flight.cancelled():
                return flight.result()

    async def _lead(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Find or make an answer for all who wait in this process."""
        flight: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._flights[name] = flight
        try:
            value = await self._obtain(name, seconds, make)
        except Exception as error:
            flight.set_exception(error)
            flight.exception()  # nobody may be waiting: mark it as seen
            raise
        except BaseException:
            flight.cancel()
            raise
        else:
            flight.set_result(value)
            return value
        finally:
            if self._flights.get(name) is flight:
                del self._flights[name]

    async def _obtain(self, name: str, seconds: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        turn, token = self._turn, self._far.token()
        try:
            found = await self._claim(name, token)
        except Unavailable:
            value = await make()
            self._keep(name, value, seconds, turn)
            return value
        if found is not None:
            self._keep(name, *found, turn)
            return found[0]
        try:
            value = await make()
        except BaseException:
            await self._leave(name, token)
            raise
        try:
            kept = await self._far.store(name, token, value, seconds)
        except Unavailable:
            return value
        if kept:
            self._keep(name, value, seconds, turn)
        return value

    async def _claim(self, name: str, token: str) -> tuple[bytes, float] | None:
        """Return the value, or None when it is ours to make; who makes for too long loses that right to us."""
        patient_until, pause = self._clock.monotonic() + _PATIENCE, 0.005
        while True:
            answer = await self._far.claim(name, token, steal=self._clock.monotonic() >= patient_until)
            if answer is True:
                return None
            if answer is not False:
                return answer
            await self._clock.sleep(pause)
            pause = min(2 * pause, 0.1)

    async def _leave(self, name: str, token: str) -> None:
        try:
            await self._far.leave(name, token)
        except Unavailable:
            return  # it ends by itself

    def _keep(self, name: str, value: bytes, seconds: float, turn: int) -> None:
        """Keep a value here, unless something was dropped since it was asked for: it may have been this."""
        if turn == self._turn:
            self._near.put(name, value, min(seconds, _NEAR if self._connection.up else _DEAF))

    def _forget(self, name: str) -> None:
        self._turn += 1
        self._flights.pop(name, None)
        self._near.drop(name)

    def _owe(self, name: str) -> None:
        if len(self._owed) <= _OWED:
            self._owed[name] = None

    def _hear(self, said: bytes) -> None:
        if said:
            self._forget(said.decode())
        else:
            self._lost()

    def _lost(self) -> None:
        self._turn += 1
        self._near.clear()

    async def _settle(self, client: Redis) -> None:
        """Drop what could not be dropped during the outage, before Redis is asked for anything."""
        while self._owed:
            names = list(self._owed)
            if len(names) > _OWED:
                await self._far.clear_with(client)
            else:
                await self._far.drop_with(client, *names)
            for name in names:
                self._owed.pop(name, None)
        self._lost()
