"""Every port in memory: documented fakes for tests, simulations and shops of one process.

All of them work on a `Clock`, wait only where a real adapter would wait for the wire, and have switches that let a
call fail, hang, or take effect and fail all the same. Those that stand for a network (bus, notifier, payments, vpn)
refuse to be called from inside a unit of work.
"""

from veilbot_adapters.memory.bus import MemoryBus
from veilbot_adapters.memory.cache import MemoryCache
from veilbot_adapters.memory.clock import MemoryClock
from veilbot_adapters.memory.doorbell import MemoryDoorbell
from veilbot_adapters.memory.failpoints import MemoryFailpoints
from veilbot_adapters.memory.ids import MemoryIds
from veilbot_adapters.memory.limiter import MemoryLimiter
from veilbot_adapters.memory.network import inside_unit_of_work
from veilbot_adapters.memory.notifier import MemoryNotifier
from veilbot_adapters.memory.payments import MemoryGateway, Webhook
from veilbot_adapters.memory.queue import MemoryJobQueue
from veilbot_adapters.memory.secrets import MemorySecrets
from veilbot_adapters.memory.storage import MemoryStorage
from veilbot_adapters.memory.vpn import MemoryServer, MemoryVpn

__all__ = [
    "MemoryBus",
    "MemoryCache",
    "MemoryClock",
    "MemoryDoorbell",
    "MemoryFailpoints",
    "MemoryGateway",
    "MemoryIds",
    "MemoryJobQueue",
    "MemoryLimiter",
    "MemoryNotifier",
    "MemorySecrets",
    "MemoryServer",
    "MemoryStorage",
    "MemoryVpn",
    "Webhook",
    "inside_unit_of_work",
]
