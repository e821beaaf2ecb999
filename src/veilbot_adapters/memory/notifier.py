"""Notifier that writes down what it was told to say."""

from collections import defaultdict, deque

from veilbot_adapters.memory.network import Network, Pause, step_aside
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.user import User
from veilbot_core.ports.notifier import Alert, Delivery, Message, Notice, Notifier


class MemoryNotifier(Network, Notifier):
    """Keeps the last ``keep`` messages of each customer and the last ``keep`` alerts.

    A customer without a chat is unreachable, as everywhere; `unreachable` makes one of any customer.
    With `apply_then_fail` a message arrives and is told again: that is allowed, and visible in `told_to`.
    """

    def __init__(self, *, keep: int = 1000, pause: Pause = step_aside) -> None:
        super().__init__(pause)
        self.alerts: deque[Alert] = deque(maxlen=keep)
        self._told: defaultdict[UserId, deque[Message]] = defaultdict(lambda: deque(maxlen=keep))
        self._unreachable: set[UserId] = set()

    def told_to(self, user_id: UserId) -> list[Message]:
        """Return what reached a customer, oldest first."""
        return list(self._told.get(user_id, ()))

    def notices_of(self, user_id: UserId) -> list[Notice]:
        """Return only what it was about."""
        return [message.notice for message in self.told_to(user_id)]

    def unreachable(self, user_id: UserId, *, again: bool = False) -> None:
        """Let a customer block the bot, or with ``again`` take it back."""
        (self._unreachable.discard if again else self._unreachable.add)(user_id)

    async def tell(self, user: User, message: Message) -> Delivery:
        """Write it down."""
        async with self._call("tell"):
            if user.telegram_id is None or user.id in self._unreachable:
                return Delivery.UNREACHABLE
            self._told[user.id].append(message)
        return Delivery.TOLD

    async def alert(self, alert: Alert) -> None:
        """Write it down."""
        async with self._call("alert"):
            self.alerts.append(alert)
