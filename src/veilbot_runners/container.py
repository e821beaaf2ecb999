"""The composition root: which adapter stands behind which port, chosen by the settings.

The graph is synchronous; whatever needs closing is closed by `open_container`. Overriding a provider is the way to
swap an adapter: ``container.gateways.override(providers.Object({...}))``.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from dependency_injector import containers, providers

from veilbot_adapters import memory
from veilbot_adapters.system import SystemClock, SystemIds
from veilbot_core.application import Application, handlers
from veilbot_core.books import Books
from veilbot_core.cached import Cached
from veilbot_core.domain.tariff import Protocol
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
from veilbot_runners import backends
from veilbot_runners.settings import Settings, check

if TYPE_CHECKING:
    pass

_LOG = structlog.get_logger(__name__)


class Container(containers.DeclarativeContainer):
    """Every port's adapter and every service, each made once."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)

    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(SystemIds, clock)
    redis = providers.Singleton(backends.redis, settings, clock, ids)
    doorbell = providers.Singleton(lambda far: far.doorbell if far else memory.MemoryDoorbell(), redis)
    cache = providers.Singleton(lambda far, time: far.cache if far else memory.MemoryCache(time), redis, clock)
    limiter = providers.Singleton(lambda far, time: far.limiter if far else memory.MemoryLimiter(time), redis, clock)
    own_limiter = providers.Singleton(memory.MemoryLimiter, clock)
    rabbit = providers.Singleton(backends.rabbit, settings, clock)
    bus = providers.Singleton(lambda far: far.bus if far else memory.MemoryBus(), rabbit)
    queue = providers.Singleton(lambda far: far.queue if far else None, rabbit)
    storage = providers.Singleton(backends.storage, settings, doorbell, clock)
    secrets = providers.Singleton(backends.secrets, settings)
    failpoints = providers.Singleton(backends.failpoints, settings)
    gateways = providers.Singleton(backends.gateways, settings, clock, ids, failpoints)
    telegram = providers.Singleton(backends.telegram, settings, clock, ids)
    bills = providers.Singleton(backends.bills, cache)
    notifier = providers.Singleton(backends.notifier, settings, telegram, bills)
    protocols = providers.Dict(
        {
            Protocol.OUTLINE: providers.Singleton(backends.outline, settings, clock, ids, failpoints),
            Protocol.V2RAY: providers.Singleton(backends.v2ray, settings, clock, ids, failpoints),
        }
    )
    policy = providers.Singleton(backends.policy, settings)

    books = providers.Singleton(Books, ids=ids, policy=policy)
    cached = providers.Singleton(Cached, storage=storage, cache=cache, policy=policy)
    users = providers.Singleton(Users, storage=storage, cached=cached, clock=clock, ids=ids)
    catalog = providers.Singleton(Catalog, cached=cached, clock=clock, ids=ids)
    checkout = providers.Singleton(Checkout, storage=storage, gateways=gateways, clock=clock, ids=ids, policy=policy)
    payments = providers.Singleton(
        Payments, storage=storage, gateways=gateways, books=books, clock=clock, ids=ids, failpoints=failpoints
    )
    settlement = providers.Singleton(
        Settlement, storage=storage, gateways=gateways, books=books, clock=clock, policy=policy
    )
    fulfilment = providers.Singleton(
        Fulfilment, storage=storage, secrets=secrets, clock=clock, ids=ids, policy=policy, failpoints=failpoints
    )
    provisioning = providers.Singleton(
        Provisioning,
        storage=storage,
        protocols=protocols,
        secrets=secrets,
        clock=clock,
        ids=ids,
        policy=policy,
        failpoints=failpoints,
    )
    subscriptions = providers.Singleton(
        Subscriptions, storage=storage, cached=cached, secrets=secrets, clock=clock, ids=ids, policy=policy
    )
    expiry = providers.Singleton(Expiry, storage=storage, clock=clock, ids=ids, policy=policy)
    fleet = providers.Singleton(
        Fleet,
        storage=storage,
        cached=cached,
        protocols=protocols,
        secrets=secrets,
        clock=clock,
        ids=ids,
        policy=policy,
    )
    moving = providers.Singleton(
        Moving, storage=storage, cached=cached, clock=clock, policy=policy, failpoints=failpoints
    )
    notices = providers.Singleton(
        Notices,
        storage=storage,
        cached=cached,
        notifier=notifier,
        secrets=secrets,
        clock=clock,
        policy=policy,
        failpoints=failpoints,
    )
    api_keys = providers.Singleton(ApiKeys, storage=storage, clock=clock, ids=ids)
    requests = providers.Singleton(Requests, storage=storage, clock=clock)
    sealing = providers.Singleton(Sealing, storage=storage, secrets=secrets)
    work = providers.Singleton(
        Work,
        storage=storage,
        bus=bus,
        clock=clock,
        ids=ids,
        policy=policy,
        failpoints=failpoints,
        handlers=providers.Singleton(
            handlers,
            payments=payments,
            settlement=settlement,
            fulfilment=fulfilment,
            provisioning=provisioning,
            expiry=expiry,
            fleet=fleet,
            moving=moving,
            notices=notices,
            requests=requests,
        ),
    )
    application = providers.Singleton(
        Application,
        users=users,
        catalog=catalog,
        checkout=checkout,
        payments=payments,
        settlement=settlement,
        fulfilment=fulfilment,
        provisioning=provisioning,
        subscriptions=subscriptions,
        expiry=expiry,
        fleet=fleet,
        moving=moving,
        notices=notices,
        api_keys=api_keys,
        requests=requests,
        sealing=sealing,
        work=work,
        storage=storage,
        clock=clock,
        ids=ids,
        limiter=limiter,
        own_limiter=own_limiter,
        doorbell=doorbell,
        policy=policy,
    )


@asynccontextmanager
async def open_container(settings: Settings, **overrides: object) -> AsyncIterator[Container]:
    """Yield the wired graph; on leaving, close what was opened, the database last.

    ``overrides`` replace adapters by provider name: ``open_container(settings, clock=MemoryClock())``. A mapping
    (``protocols``, ``gateways``) is added to what the settings choose, and its adapters are closed here, too.
    Raises InvalidInput or Unavailable for a setting that cannot be used, and names it.
    """
    check(settings)  # they may come from a program that did not `load` them
    container = Container(settings=providers.Object(settings))
    for name, adapter in sorted(overrides.items(), key=lambda item: isinstance(item[1], Mapping)):
        provider = container.providers[name]  # the mappings come last: what they are added to is made of the others
        provider.override(providers.Object({**provider(), **adapter} if isinstance(adapter, Mapping) else adapter))
    async with AsyncExitStack() as stack:
        container.application()
        adapters = [container.storage(), *container.gateways().values(), *container.protocols().values()]
        for adapter in [*adapters, container.telegram()]:
            if hasattr(adapter, "close"):
                stack.push_async_callback(adapter.close)
        if shared := container.redis():
            with backends.naming("VEILBOT_REDIS_URL"):
                await stack.enter_async_context(shared.open())
        yield container


@asynccontextmanager
async def open_broker(container: Container) -> AsyncIterator[None]:
    """Connect to the broker, if there is one; only workers need it. Raises Unavailable, InvalidInput."""
    async with AsyncExitStack() as stack:
        if shared := container.rabbit():
            with backends.naming("VEILBOT_BROKER_URL"):
                await stack.enter_async_context(shared.open())
        yield


@asynccontextmanager
async def open_application(settings: Settings, **overrides: object) -> AsyncIterator[Application]:
    """Yield the whole shop for another tool to use; the schema is brought up to date first.

    ``overrides`` bring adapters of your own, as in `open_container`.
    """
    from veilbot_adapters.database import migrate

    check(settings)  # before anything is migrated
    await migrate(settings.database_url)
    async with open_container(settings, **overrides) as container:
        yield container.application()
