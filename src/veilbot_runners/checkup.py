"""Checkup: what ``veilbot doctor`` looks at."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from veilbot_core.domain.errors import Rejected, VeilbotError
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


async def examine(env_file: Path) -> list[Finding]:
    """Look at everything that a shop needs; one trouble does not hide the next."""
    try:
        settings = load(env_file=env_file)
    except VeilbotError as error:
        return [
            Finding(check="settings", ok=False, says=str(error), mend=f"correct it in the environment or {env_file}")
        ]
    findings = [Finding(check="settings", ok=True, says=f"read for {settings.env}")]
    try:
        async with open_container(settings) as container:
            findings.append(await _database(container))
            if settings.redis_url is not None:  # the container does not open without it
                findings.append(Finding(check="redis", ok=True, says="answers, and lets this process subscribe"))
            if settings.broker_url is not None:
                findings.append(await _broker(container))
            findings.extend(_money(settings))
            findings.append(await _bot(container))
            if findings[1].ok:
                findings.append(await _seals(container))
                findings.extend([finding async for finding in _servers(container)])
    except VeilbotError as error:
        findings.append(Finding(check="adapters", ok=False, says=str(error), mend="correct the setting that it names"))
    return findings


async def _database(container: Container) -> Finding:
    try:
        await container.storage().check()
    except Rejected as error:
        return Finding(check="database", ok=False, says=str(error), mend="run: veilbot migrate")
    except VeilbotError as error:
        return Finding(check="database", ok=False, says=str(error), mend="start it, or correct VEILBOT_DATABASE_URL")
    return Finding(check="database", ok=True, says="answers, and its schema is this version's")


async def _broker(container: Container) -> Finding:
    try:
        async with open_broker(container):
            pass
    except VeilbotError as error:
        mend = "start RabbitMQ, or correct VEILBOT_BROKER_URL; workers that run already go on without it"
        return Finding(check="broker", ok=False, says=str(error), mend=mend)
    return Finding(check="broker", ok=True, says="answers, and has our queues and exchanges")


def _money(settings: Settings) -> list[Finding]:
    if settings.stripe.secret_key is None:
        mend = "set VEILBOT_STRIPE__SECRET_KEY and VEILBOT_STRIPE__WEBHOOK_SECRET"
        return [Finding(check="payments", ok=False, says="no payment provider is configured", mend=mend)]
    says = f"stripe; its webhook must point to {settings.public_url}/webhooks/stripe"
    found = [Finding(check="payments", ok=True, says=says)]
    live = settings.stripe.secret_key.get_secret_value().startswith(("sk_live", "rk_live"))
    if settings.env == "prod" and not live:
        mend = "set the live key in VEILBOT_STRIPE__SECRET_KEY"
        found.append(Finding(check="stripe mode", ok=False, says="a test key in prod takes no real money", mend=mend))
    return found


async def _bot(container: Container) -> Finding:
    telegram = container.telegram()
    if telegram is None:
        mend = "set VEILBOT_TELEGRAM__TOKEN to what @BotFather gave you"
        return Finding(check="bot", ok=False, says="no bot is configured", mend=mend)
    try:
        name = (await telegram.call("getMe", {}))["username"]
    except VeilbotError as error:
        return Finding(check="bot", ok=False, says=str(error), mend="check VEILBOT_TELEGRAM__TOKEN and the network")
    return Finding(check="bot", ok=True, says=f"Telegram knows it as @{name}")


async def _seals(container: Container) -> Finding:
    """Look at every sealed value: an old key must not be taken away too early."""
    tallies = (await container.application().sealing.look()).values()
    old, shut = sum(tally.old for tally in tallies), sum(tally.shut for tally in tallies)
    if shut:
        mend = "add the key that sealed them to VEILBOT_ENCRYPTION_KEYS, behind the others, then: veilbot rotate-keys"
        return Finding(check="sealed values", ok=False, says=f"no key here opens {shut} of them", mend=mend)
    if old:
        says = f"{old} of them are under an older key, which is still needed"
        return Finding(check="sealed values", ok=False, says=says, mend="run: veilbot rotate-keys")
    return Finding(check="sealed values", ok=True, says="all are under the first encryption key")


async def _servers(container: Container) -> AsyncIterator[Finding]:
    application = container.application()
    names = {server.id: server.name for server in await application.fleet.all()}
    if not names:
        yield Finding(check="servers", ok=False, says="there is no server to sell", mend="run: veilbot server add ...")
    for health in await application.fleet.status():
        mend = "" if health.healthy else "start the server, or check its address and certificate pin"
        says = f"answered in {health.milliseconds} ms" if health.healthy else health.error
        yield Finding(check=f"server {names.get(health.server_id, '?')}", ok=health.healthy, says=says, mend=mend)
    if not await application.catalog.on_sale(application.policy.currency):
        mend = f"run: veilbot tariff add --name Month --days 30 --price {application.policy.currency}:4.99"
        yield Finding(check="tariffs", ok=False, says=f"nothing is on sale in {application.policy.currency}", mend=mend)
