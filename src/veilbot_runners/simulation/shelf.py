"""The shelf: what a shop sells and on which servers, and who may have a key where."""

from collections.abc import Iterator
from random import Random

from veilbot_core.domain.key import Key
from veilbot_core.domain.order import Order
from veilbot_core.domain.server import AccessLevel, Server, ServerStatus
from veilbot_core.domain.subscription import Subscription
from veilbot_core.domain.tariff import Protocol, Terms
from veilbot_core.services.fleet import Draft
from veilbot_runners.simulation.storage import WatchedStorage

_GB = 10**9
_PREMIUM = "premium"
_VIPS_ONLY = 0.1
"""How often a server beside the first of its protocol is for those whom no run has."""

OFFERS = (
    Terms(name="Day", days=1),
    Terms(name="Month", days=30, traffic_limit=100 * _GB),
    Terms(name="Both", days=30, protocols=(Protocol.OUTLINE, Protocol.V2RAY)),
    Terms(name="Premium", days=7, groups=(_PREMIUM,)),
    Terms(name="Plain", days=30, groups=("",)),
    Terms(name="Core", days=7, protocols=(Protocol.V2RAY,)),
)
"""The first three are served by every server; the others exclude some."""


def choose(random: Random, usual: int) -> int:
    """Return which offer a customer takes: the usual one of the first three, or now and then one of the others."""
    return random.choice((usual, usual, usual, 3, 4, 5))


def drafts(random: Random, whim: Random, orders: int) -> Iterator[Draft]:
    """Make the servers of a run."""
    for protocol, count in ((Protocol.OUTLINE, random.choice((1, 2, 3))), (Protocol.V2RAY, random.choice((1, 2)))):
        for number in range(count):
            yield Draft(
                name=f"{protocol} {number + 1}",
                protocol=protocol,
                country="NL",
                endpoint={"api_url": f"https://canary.example/{protocol}{number}"},
                capacity=random.choice((1, 2, orders, orders + 2, 100, 100)),
                group=whim.choice(("", _PREMIUM)),
                access=AccessLevel.VIP if whim.random() < _VIPS_ONLY and number else AccessLevel.PAID,
            )


def fits(server: Server, terms: Terms, country: str | None) -> bool:
    """Say whether a server is in these terms; drawn here again on purpose, so that the core is not its own judge."""
    excluded = (
        server.access is AccessLevel.VIP,
        server.protocol not in terms.protocols,
        bool(terms.groups) and server.group not in terms.groups,
        country is not None and server.country != country,
    )
    return not any(excluded)


def misplaced(subscription: Subscription, keys: list[Key], servers: dict[object, Server]) -> Iterator[Key]:
    """Return the wanted keys that its terms exclude, but those that go when one works that they include."""

    def good(key: Key) -> bool:
        return fits(servers[key.server_id], subscription.terms, subscription.country)

    wanted = [key for key in keys if key.desired.present]
    coming = {key.replaces for key in wanted if good(key)}
    yield from (key for key in wanted if not good(key) and key.id not in coming)


def lacks(storage: WatchedStorage, order: Order) -> list[Protocol]:
    """Return the protocols of an order that could not be delivered now: there is no room, and no key that may stay."""
    country, there = order.country, set()
    if order.subscription_id is not None:
        subscription, keys = storage.row(order.subscription_id)
        country, there = subscription.country, {key.server_id for key in keys if key.placed}
    fitting = [s for s in storage.servers() if fits(s, order.terms, country) and s.status is not ServerStatus.DISABLED]
    served = {server.protocol for server in fitting if server.id in there or _takes_more(server)}
    return [protocol for protocol in order.terms.protocols if protocol not in served]


def _takes_more(server: Server) -> bool:
    return server.status is ServerStatus.ACTIVE and server.down_since is None and server.reserved < server.capacity
