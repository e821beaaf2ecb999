"""Sealing: what is sealed at rest, and its way from an old key to the newest."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from veilbot_core.domain.errors import Rejected
from veilbot_core.domain.secret import Place, Sealed
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage, UnitOfWork

_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What was found in one place."""

    seen: int = 0
    old: int = 0
    """Values that were under an older key; sealed anew, unless it was only a look."""
    shut: int = 0
    """Values that no key here opens."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(seen=self.seen + other.seen, old=self.old + other.old, shut=self.shut + other.shut)


Page = Sequence[tuple[UUID, Sealed]]
Tell = Callable[[Place, Tally], None]
Visit = Callable[[Place, Sequence[UUID], Page], Awaitable[Tally]]


def _nobody(_: Place, __: Tally) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Every sealed value, wherever it is; both ways through them go by id, a short unit of work at a time."""

    storage: Storage
    secrets: Secrets

    async def rotate(self, tell: Tell = _nobody) -> Mapping[Place, Tally]:
        """Seal what is under an older key anew; begun again after an end, it goes on with what is left.

        Workers may run beside it: a row is locked, and what it holds by then is what is sealed anew. ``tell`` hears
        of the sum so far after each batch.
        """
        return {place: await self._walk(place, self._renew, tell) for place in Place}

    async def look(self) -> Mapping[Place, Tally]:
        """Count, and change nothing."""
        return {place: await self._walk(place, self._weigh, _nobody) for place in Place}

    async def _walk(self, place: Place, visit: Visit, tell: Tell) -> Tally:
        total = Tally()
        after: UUID | None = None
        while True:
            page = await self.storage.read(_page_of(place, after))
            stale = [row for row, sealed in page if self.secrets.stale(sealed)]
            found = await visit(place, stale, page) if stale else Tally()
            total += replace(found, seen=len(page))
            tell(place, total)
            if len(page) < _BATCH:
                return total
            after = page[-1][0]

    async def _weigh(self, _: Place, stale: Sequence[UUID], page: Page) -> Tally:
        known = dict(page)
        shut = sum(self._opened(known[row], row) is None for row in stale)
        return Tally(old=len(stale) - shut, shut=shut)

    async def _renew(self, place: Place, stale: Sequence[UUID], _: Page) -> Tally:
        def work(uow: UnitOfWork) -> Tally:
            values = {row: sealed for row, sealed in uow.seals.lock(place, stale) if self.secrets.stale(sealed)}
            opened = {row: self._opened(sealed, row) for row, sealed in values.items()}
            renewed = {row: self.secrets.seal(plain, row) for row, plain in opened.items() if plain is not None}
            uow.seals.save(place, renewed)
            return Tally(old=len(renewed), shut=len(values) - len(renewed))

        return await self.storage.write(work)

    def _opened(self, sealed: Sealed, row: UUID) -> str | None:
        """Open a value; None if no key here does, which must not keep the others from their new key."""
        try:
            return self.secrets.open(sealed, row)
        except Rejected:
            return None


def _page_of(place: Place, after: UUID | None) -> Callable[[UnitOfWork], Page]:
    return lambda uow: uow.seals.page(place, limit=_BATCH, after=after)
