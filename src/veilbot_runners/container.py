"""The composition root: which adapter stands behind which port, chosen by the settings.

The graph is synchronous; whatever needs closing is closed by `open_container`. Overriding a provider is the way to
swap an adapter: ``container.gateways.override(providers.Object({...}))``.
"""

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from dependency_injector import containers, providers

from veilbot_adapters import memory
from veilbot_adapters.failing import ArmedFailpoints, NoFailpoints
from veilbot_adapters.mute import MuteNotifier
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.sealing import SealingSecrets
from veilbot_adapters.system import SystemClock, SystemIds
from veilbot_core.application import Application, handlers
from veilbot_core.books import Books
from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.policy import Policy
from veilbot_core.domain.tariff import Protocol
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.failpoints import Failpoints
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.notifier import Notifier
from veilbot_core.ports.payments import PaymentGateway
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage
from veilbot_core.ports.vpn import VpnProtocol
from veilbot_core.services.api_keys import ApiKeys
from veilbot_core.services.catalog import Catalog
from veilbot_core.services.checkout import Checkout
from veilbot_core.services.expiry import Expiry
from veilbot_core.services.fleet import Fleet
from veilbot_core.services.fulfilment import Fulfilment
from veilbot_core.services.notices import Notices
from veilbot_core.services.payments import Payments
from veilbot_core.services.provisioning import Provisioning
from veilbot_core.services.requests import Requests
from veilbot_core.services.subscriptions import Subscriptions
from veilbot_core.services.users import Users
from veilbot_core.services.work import Work
from veilbot_runners.settings import Settings

if TYPE_CHECKING:
    from veilbot_adapters.telegram import BotApi

_LOG = structlog.get_logger(__name__)


def _storage(settings: Settings, doorbell: Doorbell, clock: Clock) -> Storage:
    from veilbot_adapters.database import connect

    try:
        return connect(settings.database_url, doorbell, clock)
    except InvalidInput as error:
        raise InvalidInput(f"VEILBOT_DATABASE_URL: {error}", field="VEILBOT_DATABASE_URL") from None


def _secrets(settings: Settings) -> Secrets:
    keys = [key.get_secret_value() for key in settings.encryption_keys]
    if not keys:  # refused in prod by the settings
        _LOG.warning("no VEILBOT_ENCRYPTION_KEYS: secrets are sealed with the public development key")
        keys = [base64.urlsafe_b64encode(hashlib.sha256(b"veilbot development").digest()).decode()]
    try:
        return SealingSecrets(keys)
    except InvalidInput as error:
        raise InvalidInput(f"VEILBOT_ENCRYPTION_KEYS: {error}", field="VEILBOT_ENCRYPTION_KEYS") from None


def _failpoints(settings: Settings) -> Failpoints:
    return ArmedFailpoints(settings.failpoint) if settings.failpoint else NoFailpoints()


def _policy(settings: Settings) -> Policy:
    links = [url.rstrip("/") for url in settings.link_urls] or [settings.public_url.rstrip("/")]
    every = {**Policy().every, JobKind.SWEEP: timedelta(seconds=settings.worker.sweep_seconds)}
    return Policy(
        currency=settings.currency,
        order_ttl=timedelta(minutes=settings.limit.order_minutes),
        grace=timedelta(hours=settings.limit.grace_hours),
        lease=timedelta(seconds=settings.worker.lease_seconds),
        attempts=settings.worker.max_attempts,
        every=every,
        removals=settings.limit.removals,
        public_url=links[0],
        mirrors=tuple(links[1:]),
    )


def _gateways(settings: Settings, clock: Clock, ids: Ids) -> Mapping[Provider, PaymentGateway]:
    """Return the gateways that are configured; the others' routes answer 404."""
    if settings.stripe.secret_key is None:
        return {}
    from veilbot_adapters.payments.stripe import StripeGateway

    guards = Guards(clock, ids, Limits(timeout=settings.timeout.payment, in_flight=16, waiting=64))
    return {
        Provider.STRIPE: StripeGateway(
            settings.stripe.secret_key.get_secret_value(),
            [secret.get_secret_value() for secret in settings.stripe.webhook_secret],
            guards.get("stripe"),
            clock,
            api_base=settings.stripe.api_base,
            success_url=settings.return_url or f"{settings.public_url}/paid",
            cancel_url=settings.return_url or f"{settings.public_url}/paid",
        )
    }


def _outline(settings: Settings, clock: Clock, ids: Ids) -> VpnProtocol:
    from veilbot_adapters.vpn.outline import OutlineProtocol

    guards = Guards(clock, ids, Limits(timeout=settings.timeout.server))
    return OutlineProtocol(guards, allow_private=settings.allow_private_servers)


def _telegram(settings: Settings, clock: Clock, ids: Ids) -> "BotApi | None":
    """Return the one client of the bot; replies, notices and polling share its limits."""
    if settings.telegram.token is None:
        return None
    from veilbot_adapters.telegram import BotApi, Pace

    guards = Guards(clock, ids, Limits(timeout=settings.timeout.telegram, in_flight=64, waiting=256))
    pace = Pace(clock, settings.limit.messages_per_second)
    token = settings.telegram.token.get_secret_value()
    return BotApi(token, guards.get("telegram"), pace, api_base=settings.telegram.api_base)


def _v2ray(settings: Settings, clock: Clock, ids: Ids) -> VpnProtocol:
    from veilbot_adapters.vpn.v2ray import V2RayProtocol

    guards = Guards(clock, ids, Limits(timeout=settings.timeout.server))
    return V2RayProtocol(guards, clock, ids, allow_private=settings.allow_private_servers)


def _notifier(settings: Settings, telegram: "BotApi | None") -> Notifier:
    if telegram is None:
        return MuteNotifier()
    from veilbot_adapters.telegram import TelegramNotifier, Texts

    return TelegramNotifier(telegram, Texts(), admin_ids=settings.telegram.admin_ids)


class Container(containers.DeclarativeContainer):
    """Every port's adapter and every service, each made once."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)

    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(SystemIds, clock)
    doorbell = providers.Singleton(memory.MemoryDoorbell)
    cache = providers.Singleton(memory.MemoryCache, clock)
    limiter = providers.Singleton(memory.MemoryLimiter, clock)
    bus = providers.Singleton(memory.MemoryBus)
    storage = providers.Singleton(_storage, settings, doorbell, clock)
    secrets = providers.Singleton(_secrets, settings)
    failpoints = providers.Singleton(_failpoints, settings)
    gateways = providers.Singleton(_gateways, settings, clock, ids)
    telegram = providers.Singleton(_telegram, settings, clock, ids)
    notifier = providers.Singleton(_notifier, settings, telegram)
    protocols = providers.Dict(
        {
            Protocol.OUTLINE: providers.Singleton(_outline, settings, clock, ids),
            Protocol.V2RAY: providers.Singleton(_v2ray, settings, clock, ids),
        }
    )
    policy = providers.Singleton(_policy, settings)

    books = providers.Singleton(Books, ids=ids, policy=policy)
    users = providers.Singleton(Users, storage=storage, clock=clock, ids=ids)
    catalog = providers.Singleton(Catalog, storage=storage, clock=clock, ids=ids)
    checkout = providers.Singleton(Checkout, storage=storage, gateways=gateways, clock=clock, ids=ids, policy=policy)
    payments = providers.Singleton(
        Payments, storage=storage, gateways=gateways, books=books, clock=clock, ids=ids, failpoints=failpoints
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
        Subscriptions, storage=storage, secrets=secrets, clock=clock, ids=ids, policy=policy
    )
    expiry = providers.Singleton(Expiry, storage=storage, clock=clock, ids=ids, policy=policy)
    fleet = providers.Singleton(
        Fleet, storage=storage, protocols=protocols, secrets=secrets, cache=cache, clock=clock, ids=ids, policy=policy
    )
    notices = providers.Singleton(
        Notices, storage=storage, notifier=notifier, secrets=secrets, clock=clock, policy=policy, failpoints=failpoints
    )
    api_keys = providers.Singleton(ApiKeys, storage=storage, clock=clock, ids=ids)
    requests = providers.Singleton(Requests, storage=storage, clock=clock)
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
            fulfilment=fulfilment,
            provisioning=provisioning,
            expiry=expiry,
            fleet=fleet,
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
        fulfilment=fulfilment,
        provisioning=provisioning,
        subscriptions=subscriptions,
        expiry=expiry,
        fleet=fleet,
        notices=notices,
        api_keys=api_keys,
        requests=requests,
        work=work,
        storage=storage,
        clock=clock,
        ids=ids,
        limiter=limiter,
        doorbell=doorbell,
        policy=policy,
    )


@asynccontextmanager
async def open_container(settings: Settings, **overrides: object) -> AsyncIterator[Container]:
    """Yield the wired graph; on leaving, close what was opened, the database last.

    ``overrides`` replace adapters by provider name: ``open_container(settings, clock=MemoryClock())``.
    """
    container = Container(settings=providers.Object(settings))
    for name, adapter in overrides.items():
        container.providers[name].override(providers.Object(adapter))
    async with AsyncExitStack() as stack:
        container.application()
        adapters = [container.storage(), *container.gateways().values(), *container.protocols().values()]
        for adapter in [*adapters, container.telegram()]:
            if hasattr(adapter, "close"):
                stack.push_async_callback(adapter.close)
        yield container


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    """Yield the whole shop for another tool to use; the schema is brought up to date first."""
    from veilbot_adapters.database import migrate

    await migrate(settings.database_url)
    async with open_container(settings) as container:
        yield container.application()
