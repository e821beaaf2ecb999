"""Sealed values of every noun, to be sealed anew under another key."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable
from uuid import UUID

from veilbot_core.domain.secret import Place, Sealed


@runtime_checkable
class Seals(Protocol):
    """Sealed values by place and row, apart from the nouns that they belong to."""

    @abstractmethod
    def page(self, place: Place, *, limit: int, after: UUID | None = None) -> Sequence[tuple[UUID, Sealed]]:
        """Return values with their rows' ids, by id, ascending; a row without one is left out."""

    @abstractmethod
    def lock(self, place: Place, rows: Iterable[UUID]) -> Sequence[tuple[UUID, Sealed]]:
        """Return the values that some rows have now, for a change, by id, ascending."""

    @abstractmethod
    def save(self, place: Place, values: Mapping[UUID, Sealed]) -> None:
        """Write values and nothing else of their rows; a row that is gone is left out."""
