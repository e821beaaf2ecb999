"""RabbitMQ: work for whichever worker is free, and facts for other systems; through FastStream.

The database stays the truth. What RabbitMQ holds can be purged, doubled, late, or gone with it: jobs come back with
their lease, facts wait in the outbox, and the workers run without a queue while there is none.
"""

from veilbot_adapters.rabbitmq.bus import RabbitBus
from veilbot_adapters.rabbitmq.connection import RabbitConnection
from veilbot_adapters.rabbitmq.queue import RabbitJobQueue
from veilbot_adapters.rabbitmq.shared import SharedRabbit

__all__ = ["RabbitBus", "RabbitConnection", "RabbitJobQueue", "SharedRabbit"]
