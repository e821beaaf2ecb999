"""A storage that sees to it that what is saved was read for a change.

In memory nothing happens beside a unit of work, so a row that was only looked at and then written back loses nothing.
On Postgres it would lose what another worker wrote meanwhile.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from veilbot_adapters.memory import MemoryStorage
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.storage import UnitOfWork

T = TypeVar("T")
_TAKE = frozenset({"lock", "lock_all", "find", "due", "add"})


class _Watched:
    """A repository whose rows are saved only after they were taken, in the same unit of work."""

    def __init__(self, repository: Any) -> None:
        self._repository = repository
        self.taken: set[UUID] = set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._repository, name)
        if name in _TAKE:
            return self._taking(method)
        return self._saving(method) if name == "save" else method

    def _taking(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def take(*given: Any) -> Any:
            found = method(*given)
            things = given if found is None else found if isinstance(found, list | tuple) else [found]
            self.taken |= {thing.id for thing in things if hasattr(thing, "id")}
            return found

        return take

    def _saving(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def save(*things: Any) -> Any:
            assert {thing.id for thing in things} <= self.taken, "saved without having been read for a change"
            return method(*things)

        return save


class StrictStorage(MemoryStorage):
    """Memory storage with watched users, servers, orders, subscriptions and keys."""

    def __init__(self, doorbell: Doorbell, clock: Clock) -> None:
        super().__init__(doorbell, clock)
        self._watched = list(self._watch(("users", "servers", "orders", "subscriptions", "keys")))

    def _watch(self, names: Iterable[str]) -> Iterable[_Watched]:
        for name in names:
            watched = _Watched(getattr(self._uow, name))
            setattr(self._uow, name, watched)
            yield watched

    def _run(self, work: Callable[[UnitOfWork], T]) -> T:
        for repository in self._watched:
            repository.taken.clear()
        return super()._run(work)
