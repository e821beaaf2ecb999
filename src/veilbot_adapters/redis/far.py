"""Far: the answers that all processes share, and who of them is making one.

A maker holds a lock with a token of its own; an answer is stored only while that lock is still its own. Dropping a
name takes the lock away, so an answer that was begun before the change it should show is never kept.
"""

from itertools import count

from redis.asyncio import Redis

from veilbot_adapters.redis.connection import RedisConnection

_CLAIM = """
local value = redis.call('GET', KEYS[1])
if value then return {value, redis.call('PTTL', KEYS[1])} end
if ARGV[3] == '1' then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) return 1 end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
_STORE = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
_LEAVE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
_LOCKED = 30_000  # milliseconds after which a lock ends by itself
Found = tuple[bytes, float]
"""A value, and the seconds that it is still good for."""


class Far:
    """Values in Redis; every method raises Unavailable while Redis is down."""

    def __init__(self, connection: RedisConnection, channel: str) -> None:
        self._connection = connection
        self._channel = channel
        self._numbers = count(1)

    def token(self) -> str:
        """Return a token that nobody else has."""
        return f"{self._connection.name}.{next(self._numbers)}"

    async def get(self, name: str) -> Found | None:
        """Return a value."""
        key = self._connection.key("cache", name)

        async def work(client: Redis) -> Found | None:
            async with client.pipeline(transaction=True) as pipe:
                pipe.get(key)
                pipe.pttl(key)
                value, left = await pipe.execute()
            return None if value is None else (value, left / 1000)

        return await self._connection.call(work)

    async def claim(self, name: str, token: str, *, steal: bool) -> Found | bool:
        """Return the value, or whether we are the one to make it; ``steal`` ends another's claim."""
        keys = (self._connection.key("cache", name), self._connection.key("lock", name))

        async def work(client: Redis) -> Found | bool:
            answer = await client.eval(_CLAIM, 2, *keys, token, str(_LOCKED), str(int(steal)))
            return (answer[0], answer[1] / 1000) if isinstance(answer, list) else answer == 1

        return await self._connection.call(work)

    async def store(self, name: str, token: str, value: bytes, seconds: float) -> bool:
        """Keep what was made and give the claim back; say whether it was kept."""
        keys = (self._connection.key("cache", name), self._connection.key("lock", name))

        async def work(client: Redis) -> bool:
            answer: int = await client.eval(_STORE, 2, *keys, token, value, str(_milliseconds(seconds)))
            return answer == 1

        return await self._connection.call(work)

    async def leave(self, name: str, token: str) -> None:
        """Give a claim back without a value."""
        key = self._connection.key("lock", name)
        await self._connection.call(lambda client: client.eval(_LEAVE, 1, key, token))

    async def put(self, name: str, value: bytes, seconds: float) -> None:
        """Keep a value, end all claims to it, and let the other processes forget theirs."""

        async def work(client: Redis) -> None:
            async with client.pipeline(transaction=True) as pipe:
                pipe.set(self._connection.key("cache", name), value, px=_milliseconds(seconds))
                pipe.delete(self._connection.key("lock", name))
                pipe.publish(self._channel, f"{self._connection.name} {name}")
                await pipe.execute()

        await self._connection.call(work)

    async def drop(self, *names: str) -> None:
        """Forget values, end all claims to them, and let the other processes forget theirs."""
        await self._connection.call(lambda client: self.drop_with(client, *names))

    async def drop_with(self, client: Redis, *names: str) -> None:
        """Do the same before calls are let through."""
        async with client.pipeline(transaction=True) as pipe:
            for name in names:
                pipe.delete(self._connection.key("cache", name), self._connection.key("lock", name))
                pipe.publish(self._channel, f"{self._connection.name} {name}")
            await pipe.execute()

    async def clear_with(self, client: Redis) -> None:
        """Forget everything, here and in all processes."""
        for kind in ("cache", "lock"):
            async for key in client.scan_iter(match=f"{self._connection.key(kind, '')}*", count=1000):
                await client.delete(key)
        await client.publish(self._channel, f"{self._connection.name} ")


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
