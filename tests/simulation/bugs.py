"""What a planted bug is, and the ways to put one in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dependency_injector import providers

from veilbot_adapters.memory.storage import MemoryUnitOfWork
from veilbot_adapters.memory.tables import Journal
from veilbot_adapters.unheard import UnheardGateway, UnheardVpn
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.tariff import Protocol
from veilbot_runners.container import Container
from veilbot_runners.simulation import Plant
from veilbot_runners.simulation.ports import SimGateway, SimVpn


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A guard that is gone."""

    name: str
    guard: str
    """What kept it from happening."""
    breaks: str
    """The invariant that must fail."""
    faults: str
    plant: Plant
    orders: int = 4
    first: int = 1
    """A seed that shows it, tried before the others."""


def instead(name: str, planted: type) -> Plant:
    """Put a subclass in the place of a service."""

    def wire(container: Container) -> None:
        provider: Any = container.providers[name]
        provider.set_provides(planted)

    return Plant(wire=wire)


def gateway(planted: type[SimGateway]) -> Plant:
    """Put a subclass in the place of the provider's adapter."""

    def wire(container: Container) -> None:
        unheard: Any = container.gateways()[Provider.STRIPE]
        way = unheard._gateway
        made = UnheardGateway(planted(way._world, way._process), unheard._failpoints)
        container.gateways.override(providers.Object({Provider.STRIPE: made}))

    return Plant(wire=wire)


def vpn(planted: type[SimVpn]) -> Plant:
    """Put a subclass in the place of the servers' adapters."""

    def wire(container: Container) -> None:
        there: Mapping[Protocol, Any] = container.protocols()
        ways = {kind: (unheard._servers, unheard._failpoints) for kind, unheard in there.items()}
        made = {
            kind: UnheardVpn(planted(way._world, way._process, way._servers), failpoints)
            for kind, (way, failpoints) in ways.items()
        }
        container.protocols.override(providers.Object(made))

    return Plant(wire=wire)


def repository(name: str, planted: Callable[[Journal], Any]) -> Plant:
    """Put a subclass in the place of a repository."""

    def make(journal: Journal) -> MemoryUnitOfWork:
        things = MemoryUnitOfWork(journal)
        setattr(things, name, planted(journal))
        return things

    return Plant(repositories=make)


def both(first: Plant, second: Plant) -> Plant:
    """Take two guards away, where one alone would do."""

    def wire(container: Container) -> None:
        first.wire(container)
        second.wire(container)

    return Plant(wire=wire, repositories=first.repositories)
