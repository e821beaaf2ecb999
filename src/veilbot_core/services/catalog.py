"""Catalog: what is for sale, and where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from veilbot_core.cached import TARIFFS, Cached
from veilbot_core.domain.errors import NotFound
from veilbot_core.domain.ids import TariffId
from veilbot_core.domain.server import serves
from veilbot_core.domain.tariff import Tariff, Terms
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.storage import UnitOfWork
from veilbot_core.steps import made_before


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Tariffs and the countries in which they can be had."""

    cached: Cached
    clock: Clock
    ids: Ids

    async def on_sale(self, currency: str) -> Sequence[Tariff]:
        """Return what a customer can buy in ``currency``, cheapest first."""
        tariffs = await self.cached.tariffs()
        return sorted((t for t in tariffs if t.for_sale and currency in t.prices), key=lambda t: t.prices[currency])

    async def all(self) -> Sequence[Tariff]:
        """Return every tariff, archived ones too."""
        return await self.cached.tariffs()

    async def get(self, tariff_id: TariffId) -> Tariff:
        """Return a tariff. Raises NotFound."""
        for tariff in await self.cached.tariffs():
            if tariff.id == tariff_id:
                return tariff
        raise NotFound

    async def add(
        self, terms: Terms, prices: Mapping[str, int], *, trial: bool = False, request: UUID | None = None
    ) -> Tariff:
        """Put something on sale, the same ``request`` once; ``prices`` are minor units by currency."""
        tariff = Tariff(
            id=TariffId(self.ids.new()), terms=terms, prices=dict(prices), trial=trial, created_at=self.clock.now()
        )

        def work(uow: UnitOfWork) -> Tariff:
            earlier = made_before(uow, request, tariff.id)
            if earlier is not None:
                return uow.tariffs.get(TariffId(earlier))
            uow.tariffs.add(tariff)
            return tariff

        return await self.cached.write(work, TARIFFS)

    async def archive(self, tariff_id: TariffId) -> Tariff:
        """Take a tariff off sale; what was sold stays as it was."""

        def work(uow: UnitOfWork) -> Tariff:
            tariff = uow.tariffs.get(tariff_id).archive(self.clock.now())
            uow.tariffs.save(tariff)
            return tariff

        return await self.cached.write(work, TARIFFS)

    async def countries(self, terms: Terms, *, vip: bool) -> Sequence[str]:
        """Return the countries where a new key of each protocol has a place now, in alphabetical order."""
        servers = await self.cached.servers()
        free = {(s.country, s.protocol) for s in servers if s.open and serves(s, terms, country=None, vip=vip)}
        return sorted({c for c, _ in free if all((c, protocol) in free for protocol in terms.protocols)})
