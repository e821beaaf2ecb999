"""Redis: what several processes of one shop share, and can lose without losing anything but time.

The database stays the truth. One watched connection (`RedisConnection`) carries all of it; while Redis is down it
refuses at once, and each adapter says what then happens: the cache goes on without, the doorbell rings at home only,
and the limiter raises Unavailable, because whether to let somebody in uncounted is the caller's decision.
"""

from veilbot_adapters.redis.cache import RedisCache
from veilbot_adapters.redis.connection import Listener, RedisConnection
from veilbot_adapters.redis.doorbell import RedisDoorbell
from veilbot_adapters.redis.limiter import RedisLimiter
from veilbot_adapters.redis.shared import SharedRedis

__all__ = ["Listener", "RedisCache", "RedisConnection", "RedisDoorbell", "RedisLimiter", "SharedRedis"]
