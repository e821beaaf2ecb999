"""The real services put together on memory adapters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.services.strict import StrictStorage

from veilbot_adapters import memory
from veilbot_adapters.unheard import UnheardGateway, UnheardVpn
from veilbot_core.application import Application, handlers
from veilbot_core.books import Books
from veilbot_core.cached import Cached
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.failpoints import Failpoints
from veilbot_core.ports.vpn import Metering, VpnProtocol
from veilbot_core.services.api_keys import ApiKeys
from veilbot_core.services.catalog import Catalog
from veilbot_core.services.checkout import Checkout
from veilbot_core.services.expiry import Expiry
from veilbot_core.services.fleet import Fleet
from veilbot_core.services.fulfilment import Fulfilment
from veilbot_core.services.moving import Moving
from veilbot_core.services.notices import Notices
from veilbot_core.services.payments import Payments
from veilbot_core.services.provisioning import Provisioning
from veilbot_core.services.requests import Requests
from veilbot_core.services.sealing import Sealing
from veilbot_core.services.settlement import Settlement
from veilbot_core.services.subscriptions import Subscriptions
from veilbot_core.services.users import Users
from veilbot_core.services.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What the shop stands on."""

    clock: memory.MemoryClock
    ids: memory.MemoryIds
    doorbell: memory.MemoryDoorbell
    storage: memory.MemoryStorage
    secrets: memory.MemorySecrets
    gateway: memory.MemoryGateway
    vpn: memory.MemoryVpn
    v2ray: memory.MemoryVpn
    notifier: memory.MemoryNotifier
    bus: memory.MemoryBus
    cache: memory.MemoryCache
    failpoints: memory.MemoryFailpoints
    policy: Policy

    @classmethod
    def make(cls, policy: Policy) -> "Outside":
        """Make an empty one."""
        clock = memory.MemoryClock()
        doorbell = memory.MemoryDoorbell(clock)
        return cls(
            clock=clock,
            ids=memory.MemoryIds(clock),
            doorbell=doorbell,
            storage=StrictStorage(doorbell, clock),
            secrets=memory.MemorySecrets(),
            gateway=memory.MemoryGateway(clock),
            vpn=memory.MemoryVpn(Protocol.OUTLINE, metering=Metering.WINDOW),
            v2ray=memory.MemoryVpn(Protocol.V2RAY, metering=Metering.COUNTER, limits=False, uptime=clock),
            notifier=memory.MemoryNotifier(),
            bus=memory.MemoryBus(),
            cache=memory.MemoryCache(clock),
            failpoints=memory.MemoryFailpoints(),
            policy=policy,
        )


def build(out: Outside, armed: Failpoints | None = None) -> Application:
    """Put the real services on the fakes; ``armed`` failpoints are those of a real process."""
    failpoints = armed or out.failpoints
    base: dict[str, Any] = {"storage": out.storage, "clock": out.clock}
    named = base | {"ids": out.ids}
    cached = Cached(storage=out.storage, cache=out.cache, policy=out.policy)
    fleet = Fleet(**named, cached=cached, protocols=_protocols(out, failpoints), secrets=out.secrets, policy=out.policy)
    gateways = {Provider.STRIPE: UnheardGateway(out.gateway, failpoints)}
    books = Books(ids=out.ids, policy=out.policy)
    parts: dict[str, Any] = {
        "payments": Payments(**named, gateways=gateways, books=books, failpoints=failpoints),
        "settlement": Settlement(**base, gateways=gateways, books=books, policy=out.policy),
        "fulfilment": Fulfilment(**named, secrets=out.secrets, policy=out.policy, failpoints=failpoints),
        "provisioning": Provisioning(
            **named,
            protocols=_protocols(out, failpoints),
            secrets=out.secrets,
            policy=out.policy,
            failpoints=failpoints,
        ),
        "expiry": Expiry(**named, policy=out.policy),
        "fleet": fleet,
        "moving": Moving(**base, cached=cached, policy=out.policy, failpoints=failpoints),
        "notices": Notices(
            **base,
            cached=cached,
            notifier=out.notifier,
            secrets=out.secrets,
            policy=out.policy,
            failpoints=failpoints,
        ),
        "requests": Requests(**base),
    }
    return Application(
        clock=out.clock,
        ids=out.ids,
        **parts,
        users=Users(**named, cached=cached),
        catalog=Catalog(clock=out.clock, ids=out.ids, cached=cached),
        checkout=Checkout(**named, gateways=gateways, policy=out.policy),
        subscriptions=Subscriptions(**named, cached=cached, secrets=out.secrets, policy=out.policy),
        api_keys=ApiKeys(**named),
        sealing=Sealing(storage=out.storage, secrets=out.secrets),
        work=Work(**named, bus=out.bus, policy=out.policy, failpoints=failpoints, handlers=handlers(**parts)),
        storage=out.storage,
        limiter=memory.MemoryLimiter(out.clock),
        own_limiter=memory.MemoryLimiter(out.clock),
        doorbell=out.doorbell,
        policy=out.policy,
    )


def _protocols(out: Outside, failpoints: Failpoints) -> Mapping[Protocol, VpnProtocol]:
    servers = {Protocol.OUTLINE: out.vpn, Protocol.V2RAY: out.v2ray}
    return {kind: UnheardVpn(vpn, failpoints) for kind, vpn in servers.items()}
