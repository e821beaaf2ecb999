"""Adapters from elsewhere join a shop by the port's name."""

from veilbot_adapters.memory import MemoryCache, MemoryClock, MemoryVpn
from veilbot_core.domain.tariff import Protocol
from veilbot_runners import load_settings, open_application
from veilbot_runners.container import open_container


class Closing(MemoryVpn):
    """A protocol that says when it was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


async def test_a_protocol_is_added_to_those_of_the_settings_and_closed_with_them(sqlite_url: str) -> None:
    ours = Closing(Protocol.OTHER)
    async with open_container(
        load_settings(env_file=None, database_url=sqlite_url), protocols={Protocol.OTHER: ours}
    ) as shop:
        served = shop.application().provisioning.protocols
        assert set(served) == set(Protocol)
        assert served[Protocol.OTHER] is ours
        assert not ours.closed
    assert ours.closed


async def test_a_protocol_can_take_the_place_of_one_of_ours(sqlite_url: str) -> None:
    mine = MemoryVpn()
    settings = load_settings(env_file=None, database_url=sqlite_url)
    async with open_application(settings, protocols={Protocol.OUTLINE: mine}) as shop:
        assert shop.fleet.protocols[Protocol.OUTLINE] is mine
        assert Protocol.OTHER not in shop.fleet.protocols


async def test_what_is_added_is_made_of_what_was_replaced(sqlite_url: str) -> None:
    """Whatever the order: the mapping comes first here, the clock that its neighbours live on after it."""
    clock = MemoryClock()
    cache = MemoryCache(clock)
    settings = load_settings(env_file=None, database_url=sqlite_url)
    async with open_application(settings, protocols={Protocol.OTHER: MemoryVpn()}, cache=cache, clock=clock) as shop:
        assert shop.fleet.cached.cache is cache
        assert shop.fleet.clock is clock
        assert shop.fleet.protocols[Protocol.V2RAY]._clock is clock  # type: ignore[attr-defined]
