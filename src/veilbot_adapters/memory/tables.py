"""Tables with ordered indexes and a journal that takes a unit of work back."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

from veilbot_core.domain.errors import AlreadyExists, NotFound

R = TypeVar("R")
Entry = tuple[Any, ...]
"""What an index is ordered by, with the row's key as the last part."""


class Journal:
    """What the running unit of work changed, as the steps that undo it."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] = []

    def note(self, step: Callable[[], None]) -> None:
        """Remember how to undo a change that is about to happen."""
        self._steps.append(step)

    def keep(self) -> bool:
        """Make all changes final; say whether there were any."""
        changed = bool(self._steps)
        self._steps.clear()
        return changed

    def undo(self) -> bool:
        """Take all changes back, the last one first; say whether there were any."""
        changed = bool(self._steps)
        while self._steps:
            self._steps.pop()()
        return changed


class Index(Generic[R]):
    """Keys in order, in groups; a row whose group is None is not in it."""

    def __init__(self, group: Callable[[R], Hashable | None], order: Callable[[R], Entry] = lambda _: ()) -> None:
        self._group = group
        self._order = order
        self._groups: dict[Hashable, list[Entry]] = {}

    def move(self, key: Hashable, before: R | None, after: R | None) -> None:
        """Follow a row's change; None stands for no row."""
        old, new = self._place(key, before), self._place(key, after)
        if old == new:
            return
        if old is not None:
            entries = self._groups[old[0]]
            del entries[bisect_left(entries, old[1])]
            if not entries:
                del self._groups[old[0]]
        if new is not None:
            insort(self._groups.setdefault(new[0], []), new[1])

    def up(self, group: Hashable = 0, *, after: Entry = ()) -> Iterator[Entry]:
        """Walk a group upwards, from behind ``after``; nothing may change meanwhile."""
        entries = self._groups.get(group, ())
        return (entries[i] for i in range(bisect_right(entries, after) if after else 0, len(entries)))

    @property
    def groups(self) -> Collection[Hashable]:
        """The groups that have entries."""
        return self._groups.keys()

    def until(self, group: Hashable, bound: Any) -> Sequence[Entry]:  # noqa: ANN401 - what the first part is
        """Return the entries of a group whose first part is at most ``bound``, in order."""
        entries = self._groups.get(group, ())
        if not entries or entries[0][0] > bound:
            return ()
        return entries[: bisect_right(entries, bound, key=itemgetter(0))]

    def first(self, group: Hashable) -> Entry | None:
        """Return the first entry of a group."""
        entries = self._groups.get(group)
        return entries[0] if entries else None

    def down(self, group: Hashable = 0, *, before: Entry = ()) -> Iterator[Entry]:
        """Walk a group downwards, from below ``before``; nothing may change meanwhile."""
        entries = self._groups.get(group, ())
        return (entries[i] for i in range((bisect_left(entries, before) if before else len(entries)) - 1, -1, -1))

    def _place(self, key: Hashable, row: R | None) -> tuple[Hashable, Entry] | None:
        group = None if row is None else self._group(row)
        return None if row is None or group is None else (group, (*self._order(row), key))


class Unique(Generic[R]):
    """A second name of each row, which no two rows share; None is no name."""

    def __init__(self, name: Callable[[R], Hashable | None]) -> None:
        self._name = name
        self._keys: dict[Hashable, Hashable] = {}

    def key(self, name: Hashable) -> Hashable | None:
        """Return the key of the row with this name."""
        return self._keys.get(name)

    def check(self, key: Hashable, after: R) -> None:
        """Raise AlreadyExists when another row has the name."""
        name = self._name(after)
        if name is not None and self._keys.get(name, key) != key:
            raise AlreadyExists

    def move(self, key: Hashable, before: R | None, after: R | None) -> None:
        """Follow a row's change."""
        old = None if before is None else self._name(before)
        new = None if after is None else self._name(after)
        if old == new:
            return
        if old is not None:
            del self._keys[old]
        if new is not None:
            self._keys[new] = key


class Table(Generic[R]):
    """Rows by key; every change is journaled and followed by the indexes. Keys of rows with a UUID are its integer."""

    def __init__(
        self, journal: Journal, *, indexes: Sequence[Index[R]] = (), uniques: Sequence[Unique[R]] = ()
    ) -> None:
        self.rows: dict[Hashable, R] = {}
        self._journal = journal
        self._indexes = tuple(indexes)
        self._uniques = tuple(uniques)

    def get(self, key: Hashable) -> R:
        """Return the row. Raises NotFound."""
        try:
            return self.rows[key]
        except KeyError:
            raise NotFound from None

    def named(self, unique: Unique[R], name: Hashable) -> R | None:
        """Return the row with a second name."""
        key = unique.key(name)
        return None if key is None else self.rows[key]

    def take(self, entries: Iterator[Entry], limit: int | None = None) -> list[R]:
        """Return the rows of the first ``limit`` entries of a walk."""
        rows: list[R] = []
        for entry in entries:
            if limit is not None and len(rows) >= limit:
                break
            rows.append(self.rows[entry[-1]])
        return rows

    def insert(self, key: Hashable, row: R) -> None:
        """Add a row. Raises AlreadyExists for a known key or second name."""
        if key in self.rows:
            raise AlreadyExists
        self._change(key, None, row)

    def update(self, key: Hashable, row: R) -> None:
        """Replace a row. Raises NotFound, or AlreadyExists for another row's second name."""
        self._change(key, self.get(key), row)

    def delete(self, key: Hashable) -> None:
        """Remove a row. Raises NotFound."""
        self._change(key, self.get(key), None)

    def _change(self, key: Hashable, before: R | None, after: R | None) -> None:
        if after is not None:
            for unique in self._uniques:
                unique.check(key, after)
        self._journal.note(partial(self._write, key, after, before))
        self._write(key, before, after)

    def _write(self, key: Hashable, before: R | None, after: R | None) -> None:
        if after is None:
            del self.rows[key]
        else:
            self.rows[key] = after
        for unique in self._uniques:
            unique.move(key, before, after)
        for index in self._indexes:
            index.move(key, before, after)


def below(after: UUID | None) -> Entry:
    """Return where the page behind a row begins in an index that is ordered by id alone."""
    return () if after is None else (after.int,)
