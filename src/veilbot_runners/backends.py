"""What the settings choose: each port's adapter, and the numbers of the shop.

A library is imported only where its adapter is chosen.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import structlog

from veilbot_adapters.failing import ArmedFailpoints, NoFailpoints
from veilbot_adapters.mute import MuteNotifier
from veilbot_adapters.resilience import Guards, Limits
from veilbot_adapters.sealing import SealingSecrets
from veilbot_adapters.unheard import UnheardGateway, UnheardVpn
from veilbot_core.domain.errors import InvalidInput, Unavailable
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.payment import Provider
from veilbot_core.domain.policy import Policy
from veilbot_core.ports.cache import Cache
from veilbot_core.ports.clock import Clock
from veilbot_core.ports.doorbell import Doorbell
from veilbot_core.ports.failpoints import Failpoints
from veilbot_core.ports.ids import Ids
from veilbot_core.ports.notifier import Notifier
from veilbot_core.ports.payments import PaymentGateway
from veilbot_core.ports.secrets import Secrets
from veilbot_core.ports.storage import Storage
from veilbot_core.ports.vpn import VpnProtocol
from veilbot_runners.settings import Settings

if TYPE_CHECKING:
    from veilbot_adapters.rabbitmq import SharedRabbit
    from veilbot_adapters.redis import SharedRedis
    from veilbot_adapters.telegram import Bills, BotApi

_LOG = structlog.get_logger(__name__)


@contextmanager
def naming(variable: str) -> Iterator[None]:
    """Say which variable it was that cannot be used."""
    try:
        yield
    except (InvalidInput, Unavailable) as error:
        raise type(error)(f"{variable}: {error}", field=variable) from None


def storage(settings: Settings, doorbell: Doorbell, clock: Clock) -> Storage:
    """Return the database that the address names."""
    from veilbot_adapters.database import connect

    with naming("VEILBOT_DATABASE_URL"):
        return connect(settings.database_url, doorbell, clock)


def shared(settings: Settings) -> bool:
    """Say whether other processes may serve on the same database: a file has one."""
    return settings.database_url.startswith("postgresql")


def redis(settings: Settings, clock: Clock, ids: Ids) -> "SharedRedis | None":
    """Return what several processes share; without it each has its own memory."""
    if settings.redis_url is None:
        return None
    from veilbot_adapters.redis import SharedRedis

    with naming("VEILBOT_REDIS_URL"):
        return SharedRedis(settings.redis_url.get_secret_value(), clock, ids)


def rabbit(settings: Settings, clock: Clock) -> "SharedRabbit | None":
    """Return what shares the work of several workers; without it, they share the database."""
    if settings.broker_url is None:
        return None
    from veilbot_adapters.rabbitmq import RabbitConnection, SharedRabbit

    with naming("VEILBOT_BROKER_URL"):
        return SharedRabbit(RabbitConnection(settings.broker_url.get_secret_value(), clock))


def asyncapi() -> dict[str, Any]:
    """Return the AsyncAPI document of the facts that go to other systems."""
    from veilbot_adapters.rabbitmq.document import document

    return document(version("veilbot"))


def secrets(settings: Settings) -> Secrets:
    """Return what seals; without keys, with one that everybody knows, and says so."""
    keys = [key.get_secret_value() for key in settings.encryption_keys]
    if not keys:  # refused in prod by the settings
        _LOG.warning("no VEILBOT_ENCRYPTION_KEYS: secrets are sealed with the public development key")
        keys = [base64.urlsafe_b64encode(hashlib.sha256(b"veilbot development").digest()).decode()]
    with naming("VEILBOT_ENCRYPTION_KEYS"):
        return SealingSecrets(keys)


def failpoints(settings: Settings) -> Failpoints:
    """Return the armed failpoint, if one is."""
    with naming("VEILBOT_FAILPOINT"):
        return ArmedFailpoints(settings.failpoint) if settings.failpoint else NoFailpoints()


def _vpn(servers: VpnProtocol, failpoints: Failpoints) -> VpnProtocol:
    """Let an armed failpoint lose a server's answer."""
    return servers if isinstance(failpoints, NoFailpoints) else UnheardVpn(servers, failpoints)


def _gateway(gateway: PaymentGateway, failpoints: Failpoints) -> PaymentGateway:
    """Let an armed failpoint lose a provider's answer."""
    return gateway if isinstance(failpoints, NoFailpoints) else UnheardGateway(gateway, failpoints)


def policy(settings: Settings) -> Policy:
    """Return the numbers of the shop."""
    links = [url.rstrip("/") for url in settings.link_urls] or [settings.public_url]
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


def gateways(settings: Settings, clock: Clock, ids: Ids, failpoints: Failpoints) -> Mapping[Provider, PaymentGateway]:
    """Return the gateways that are configured; the others' routes answer 404."""
    if settings.stripe.secret_key is None:
        return {}
    from veilbot_adapters.payments.stripe import StripeGateway

    guards = Guards(clock, ids, Limits(timeout=settings.timeout.payment, in_flight=16, waiting=64))
    with naming("VEILBOT_STRIPE"):
        stripe = StripeGateway(
            settings.stripe.secret_key.get_secret_value(),
            [secret.get_secret_value() for secret in settings.stripe.webhook_secret],
            guards.get("stripe"),
            clock,
            api_base=settings.stripe.api_base,
            success_url=settings.return_url or f"{settings.public_url}/paid",
            cancel_url=settings.return_url or f"{settings.public_url}/paid",
        )
    return {Provider.STRIPE: _gateway(stripe, failpoints)}


def _to_a_server(settings: Settings) -> Limits:
    return Limits(timeout=settings.timeout.server, in_flight=settings.limit.server_calls)


def outline(settings: Settings, clock: Clock, ids: Ids, failpoints: Failpoints) -> VpnProtocol:
    """Return the way to Outline servers."""
    from veilbot_adapters.vpn.outline import OutlineProtocol

    guards = Guards(clock, ids, _to_a_server(settings))
    return _vpn(OutlineProtocol(guards, allow_private=settings.allow_private_servers), failpoints)


def telegram(settings: Settings, clock: Clock, ids: Ids) -> "BotApi | None":
    """Return the one client of the bot; replies, notices and polling share its limits."""
    if settings.telegram.token is None:
        return None
    from veilbot_adapters.telegram import BotApi, Pace

    # Half of the worker's slots at most; and Telegram's pauses are for one chat or for messages, which the pace knows.
    guards = Guards(clock, ids, Limits(timeout=settings.timeout.telegram, in_flight=32, waiting=256, rests=False))
    pace = Pace(clock, settings.limit.messages_per_second)
    token = settings.telegram.token.get_secret_value()
    return BotApi(token, guards.get("telegram"), pace, api_base=settings.telegram.api_base)


def v2ray(settings: Settings, clock: Clock, ids: Ids, failpoints: Failpoints) -> VpnProtocol:
    """Return the way to V2Ray and Xray servers."""
    from veilbot_adapters.vpn.v2ray import V2RayProtocol

    guards = Guards(clock, ids, _to_a_server(settings))
    allowed, ports = settings.allow_private_servers, settings.local_api_ports
    return _vpn(V2RayProtocol(guards, clock, ids, allow_private=allowed, local_ports=ports), failpoints)


def bills(cache: Cache) -> "Bills":
    """Return what knows which messages of the bot ask for money."""
    from veilbot_adapters.telegram import Bills

    return Bills(cache)


def notifier(settings: Settings, telegram: "BotApi | None", bills: "Bills") -> Notifier:
    """Return who tells customers; without a bot, nobody."""
    if telegram is None:
        return MuteNotifier()
    from veilbot_adapters.telegram import TelegramNotifier, Texts

    return TelegramNotifier(telegram, Texts(), bills=bills, admin_ids=settings.telegram.admin_ids)
