"""Customers in memory."""

from collections.abc import Sequence

from veilbot_adapters.memory.tables import Index, Journal, Table, Unique, below
from veilbot_core.domain.ids import UserId
from veilbot_core.domain.user import User
from veilbot_core.ports import repositories as port


class MemoryUsers(port.Users):
    """Customers by id and by Telegram account."""

    def __init__(self, journal: Journal) -> None:
        self._by_id = Index[User](lambda _: 0)
        self._by_telegram_id = Unique[User](lambda user: user.telegram_id)
        self._table = Table(journal, indexes=[self._by_id], uniques=[self._by_telegram_id])

    def get(self, user_id: UserId) -> User:
        """Return the user. Raises NotFound."""
        return self._table.get(user_id.int)

    lock = get

    def by_telegram_id(self, telegram_id: int) -> User | None:
        """Return the user behind a Telegram account."""
        return self._table.named(self._by_telegram_id, telegram_id)

    def add(self, user: User) -> None:
        """Insert."""
        self._table.insert(user.id.int, user)

    def save(self, user: User) -> None:
        """Replace."""
        self._table.update(user.id.int, user)

    def page(self, *, limit: int, after: UserId | None = None) -> Sequence[User]:
        """Walk down by id."""
        return self._table.take(self._by_id.down(before=below(after)), limit)
