"""Bills: under which message an order is offered for payment, so that it can stop asking for money once that is there.

Kept in the cache: what is lost only leaves a button that the provider's page answers with "paid already".
"""

from uuid import UUID

from veilbot_core.ports.cache import Cache

_KEPT = 2 * 86400.0  # seconds; money of slow methods arrives later, and then nobody looks at that message any more


class Bills:
    """Remembers one message per order."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def shown(self, order_id: UUID, message_id: int) -> None:
        """Remember that this message of the customer's chat asks for the order's money."""
        await self._cache.set(_name(order_id), str(message_id).encode(), _KEPT)

    async def left(self, order_id: UUID) -> None:
        """Forget it: the message shows something else now."""
        await self._cache.drop(_name(order_id))

    async def take(self, order_id: UUID) -> int | None:
        """Return the message that still asks for the money, once."""
        kept = await self._cache.get(_name(order_id))
        if kept is None:
            return None
        await self._cache.drop(_name(order_id))
        return int(kept)


def _name(order_id: UUID) -> str:
    return f"bill:{order_id}"
