"""Checkup: what ``veilbot doctor`` looks at, one trouble after the other; none hides the next."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from veilbot_adapters.addresses import is_public
from veilbot_adapters.hearsay import repeat
from veilbot_core.domain.errors import Rejected, VeilbotError
from veilbot_core.domain.payment import Provider
from veilbot_runners.container import Container, open_broker, open_container
from veilbot_runners.settings import Settings, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    check: str
    ok: bool
    says: str
    mend: str = ""
    """What to do about it."""


Findings = AsyncIterator[Finding]
_LATELY = timedelta(hours=1)
"""Telegram keeps a webhook's last error for ever; an older one has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What the rest can be looked at without."""

    check: str
    provider: str
    """Its name in the container, where it is left empty."""
    mend: str


_PARTS: Mapping[str, _Part] = {
    "VEILBOT_DATABASE_URL": _Part(check="database", provider="storage", mend="correct VEILBOT_DATABASE_URL"),
    "VEILBOT_REDIS_URL": _Part(
        check="redis",
        provider="redis",
        mend="start Redis, or correct VEILBOT_REDIS_URL; processes that run already go on without it",
    ),
    "VEILBOT_BROKER_URL": _Part(check="broker", provider="rabbit", mend="correct VEILBOT_BROKER_URL"),
}
"""Settings without which the graph does not open."""


async def examine(env_file: Path) -> list[Finding]:
    """Look at everything that a shop needs."""
    try:
        settings = load(env_file=env_file)
    except VeilbotError as error:
        mend = f"correct it in the environment or {env_file}"
        return [Finding(check="settings", ok=False, says=str(error), mend=mend)]
    findings = [Finding(check="settings", ok=True, says=f"read for {settings.env}")]
    async with AsyncExitStack() as stack:
        try:
            container = await _open(settings, stack, findings)
        except VeilbotError as error:
            mend = "correct the setting that it names"
            return [*findings, Finding(check="adapters", ok=False, says=str(error), mend=mend)]
        missing = {finding.check for finding in findings if not finding.ok}
        for look in _LOOKS:
            if missing.isdisjoint({look.check, *look.needs}):
                findings.extend(await _look(look, container))
            if look.check == "database" and not findings[-1].ok:
                missing.add("database")
    return findings


async def _open(settings: Settings, stack: AsyncExitStack, findings: list[Finding]) -> Container:
    """Open the graph, without those parts that do not open; they are written down. Raises VeilbotError."""
    without: dict[str, None] = {}
    while True:
        try:
            return await stack.enter_async_context(open_container(settings, **without))
        except VeilbotError as error:
            part = _PARTS.get(error.field or "")
            if part is None or part.provider in without:
                raise
            without[part.provider] = None
            findings.append(Finding(check=part.check, ok=False, says=str(error), mend=part.mend))


async def _look(look: "_Look", container: Container) -> list[Finding]:
    try:
        return [finding async for finding in look.at(container)]
    except VeilbotError as error:
        return [Finding(check=look.check, ok=False, says=str(error), mend="mend what it names, then run this again")]


async def _database(container: Container) -> Findings:
    try:
        await container.storage().check()
    except Rejected as error:
        yield Finding(check="database", ok=False, says=str(error), mend="run: veilbot migrate")
    except VeilbotError as error:
        yield Finding(check="database", ok=False, says=str(error), mend="start it, or correct VEILBOT_DATABASE_URL")
    else:
        yield Finding(check="database", ok=True, says="answers, and its schema is this version's")


async def _redis(container: Container) -> Findings:
    if container.redis() is not None:  # the container does not open without it
        yield Finding(check="redis", ok=True, says="answers, and lets this process subscribe")


async def _broker(container: Container) -> Findings:
    if container.rabbit() is None:
        return
    try:
        async with open_broker(container):
            pass
    except VeilbotError as error:
        mend = "start RabbitMQ, or correct VEILBOT_BROKER_URL; workers that run already go on without it"
        yield Finding(check="broker", ok=False, says=str(error), mend=mend)
    else:
        yield Finding(check="broker", ok=True, says="answers, and has our queues and exchanges")


async def _payments(container: Container) -> Findings:
    if not container.gateways():
        mend = "set VEILBOT_STRIPE__SECRET_KEY and VEILBOT_STRIPE__WEBHOOK_SECRET"
        yield Finding(check="payments", ok=False, says="no payment provider is configured", mend=mend)
    for provider, gateway in container.gateways().items():
        until = container.clock().now()
        try:
            await gateway.told(until - timedelta(seconds=1), until)
        except Rejected as error:
            mend = f"check that VEILBOT_{provider.upper()}__SECRET_KEY is this account's, and may read events"
            yield Finding(check=provider, ok=False, says=str(error), mend=mend)
        except VeilbotError as error:
            mend = f"check the network, and VEILBOT_{provider.upper()}__API_BASE if it is set"
            yield Finding(check=provider, ok=False, says=str(error), mend=mend)
        else:
            yield Finding(check=provider, ok=True, says="answers, and knows our key")
    if Provider.STRIPE in container.gateways():
        for finding in _stripe(container.settings()):
            yield finding


def _stripe(settings: Settings) -> list[Finding]:
    """Say of Stripe's webhook what can be known without Stripe: whether it could call us, and in which mode."""
    url = f"{settings.public_url}/webhooks/stripe"
    check, found = "stripe webhook", []
    parts = urlsplit(url)
    if settings.stripe.api_base is None and not (parts.scheme == "https" and is_public(parts.hostname or "")):
        mend = f"set VEILBOT_PUBLIC_URL to the shop's https address (to try it out: stripe listen --forward-to {url})"
        found.append(Finding(check=check, ok=False, says=f"Stripe cannot call {url} from outside", mend=mend))
    else:
        says = f"its secret is set; in Stripe's dashboard its address must be {url}"
        found.append(Finding(check=check, ok=True, says=says))
    key = settings.stripe.secret_key
    if settings.env == "prod" and key and not key.get_secret_value().startswith(("sk_live", "rk_live")):
        mend = "set the live key in VEILBOT_STRIPE__SECRET_KEY"
        found.append(Finding(check="stripe mode", ok=False, says="a test key in prod takes no real money", mend=mend))
    return found


async def _bot(container: Container) -> Findings:
    telegram, settings = container.telegram(), container.settings()
    if telegram is None:
        mend = "set VEILBOT_TELEGRAM__TOKEN to what @BotFather gave you"
        yield Finding(check="bot", ok=False, says="no bot is configured", mend=mend)
        return
    try:
        me = await telegram.call("getMe", {})
        info = await telegram.call("getWebhookInfo", {})
        found = Finding(check="bot", ok=True, says=f"Telegram knows it as @{me['username']}")
        webhook = _webhook(settings, info, container.clock().now())
    except VeilbotError as error:
        mend = "check VEILBOT_TELEGRAM__TOKEN and the network"
        yield Finding(check="bot", ok=False, says=str(error), mend=mend)
    except (KeyError, TypeError, ValueError, AttributeError):
        mend = "check VEILBOT_TELEGRAM__API_BASE and the network"
        yield Finding(check="bot", ok=False, says="Telegram does not answer as the Bot API does", mend=mend)
    else:
        yield found
        if webhook is not None:
            yield webhook


def _webhook(settings: Settings, info: Mapping[str, object], now: datetime) -> Finding | None:
    """Judge what Telegram says about its deliveries (core.telegram.org/bots/api#webhookinfo).

    Of a foreign address only the host is told: the rest may be a secret.
    """
    check, url = "bot webhook", str(info.get("url") or "")
    host = urlsplit(url).hostname
    if settings.telegram.mode == "polling":
        mend = "start the bot, which ends that, or set VEILBOT_TELEGRAM__MODE=webhook"
        says = f"updates go to a webhook at {host}, while this bot polls"
        return Finding(check=check, ok=False, says=says, mend=mend) if url else None
    if url != f"{settings.public_url}/webhooks/telegram":
        says = f"updates go to a webhook at {host} that is not ours" if url else "Telegram has been told of none yet"
        return Finding(check=check, ok=False, says=says, mend="start the bot: it tells Telegram its address")
    waiting, last = int(str(info.get("pending_update_count") or 0)), int(str(info.get("last_error_date") or 0))
    says = f"Telegram delivers to {url}; {waiting} updates wait"
    if last:
        at = datetime.fromtimestamp(last, UTC)
        says += f"; the last error, {at:%Y-%m-%d %H:%M} UTC: {repeat(str(info.get('last_error_message')))}"
        if waiting and now - at < _LATELY:
            mend = "let VEILBOT_PUBLIC_URL reach the bot from outside, with a certificate that everybody trusts"
            return Finding(check=check, ok=False, says=says, mend=mend)
    return Finding(check=check, ok=True, says=says)


async def _seals(container: Container) -> Findings:
    """Look at every sealed value: an old key must not be taken away too early."""
    tallies = (await container.application().sealing.look()).values()
    old, shut = sum(tally.old for tally in tallies), sum(tally.shut for tally in tallies)
    if shut:
        mend = "add the key that sealed them to VEILBOT_ENCRYPTION_KEYS, behind the others, then: veilbot rotate-keys"
        yield Finding(check="sealed values", ok=False, says=f"no key here opens {shut} of them", mend=mend)
    elif old:
        says = f"{old} of them are under an older key, which is still needed"
        yield Finding(check="sealed values", ok=False, says=says, mend="run: veilbot rotate-keys")
    else:
        yield Finding(check="sealed values", ok=True, says="all are under the first encryption key")


async def _servers(container: Container) -> Findings:
    application = container.application()
    names = {server.id: server.name for server in await application.fleet.all()}
    if not names:
        yield Finding(check="servers", ok=False, says="there is no server to sell", mend="run: veilbot server add ...")
    for health in await application.fleet.status():
        mend = "" if health.healthy else "start the server, or check its address and certificate pin"
        says = f"answered in {health.milliseconds} ms" if health.healthy else health.error
        yield Finding(check=f"server {names.get(health.server_id, '?')}", ok=health.healthy, says=says, mend=mend)


async def _tariffs(container: Container) -> Findings:
    application = container.application()
    if not await application.catalog.on_sale(application.policy.currency):
        mend = f"run: veilbot tariff add --name Month --days 30 --price {application.policy.currency}:4.99"
        yield Finding(check="tariffs", ok=False, says=f"nothing is on sale in {application.policy.currency}", mend=mend)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One look, and the checks without which there is nothing to see."""

    check: str
    at: Callable[[Container], Findings]
    needs: tuple[str, ...] = ()


_LOOKS = (
    _Look(check="database", at=_database),
    _Look(check="redis", at=_redis),
    _Look(check="broker", at=_broker),
    _Look(check="payments", at=_payments),
    _Look(check="bot", at=_bot),
    _Look(check="sealed values", at=_seals, needs=("database",)),
    _Look(check="servers", at=_servers, needs=("database",)),
    _Look(check="tariffs", at=_tariffs, needs=("database",)),
)
