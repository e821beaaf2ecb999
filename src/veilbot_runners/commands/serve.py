"""Commands that run until they are told to stop, and how every command reaches the shop."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput
from veilbot_runners import logs
from veilbot_runners.settings import Settings, load

ENV_FILE: ContextVar[Path] = ContextVar("env_file", default=Path(".env"))
T = TypeVar("T")


def settings() -> Settings:
    """Read the settings and set up the logs."""
    found = load(env_file=ENV_FILE.get())
    logs.configure(found.log_level, secrets=found.secrets())
    return found


def with_shop(act: Callable[[Application], Awaitable[T]]) -> T:
    """Open the shop for one command, do something, close it."""

    async def go() -> T:
        from veilbot_runners.container import open_container

        async with open_container(load(env_file=ENV_FILE.get())) as container:
            await container.storage().check()
            return await act(container.application())

    logs.configure("error")
    return asyncio.run(go())


def forever(found: Settings, parts: Collection[str], modules: Collection[str] | None = None) -> None:
    """Run parts of the shop until a signal ends them."""
    import uvloop

    from veilbot_runners import serving

    chosen = serving.MODULES if modules is None else modules

    async def go() -> None:
        stop = asyncio.Event()
        serving.watch_signals(stop)
        await serving.serve(found, stop, parts=parts, modules=chosen)

    uvloop.run(go())


def _migrated(found: Settings) -> Settings:
    from veilbot_adapters.database import migrate

    asyncio.run(migrate(found.database_url))
    return found


def run() -> None:
    """Run the bot, the API and the worker in one process; brings the schema up to date first."""
    forever(_migrated(settings()), ("bot", "api", "worker"))


def bot() -> None:
    """Run the Telegram bot alone."""
    found = settings()
    if found.telegram.token is None:
        raise InvalidInput("VEILBOT_TELEGRAM__TOKEN is not set: there is no bot to run")
    forever(found, ("bot",))


def api(
    modules: Annotated[str, typer.Option(help="Comma-separated: users,billing,vpn,admin,webhooks,links.")] = "",
) -> None:
    """Run the HTTP API alone, or some of its modules."""
    chosen = [name.strip() for name in modules.split(",") if name.strip()] or None
    forever(settings(), ("api",), chosen)


def worker() -> None:
    """Run the worker alone."""
    forever(settings(), ("worker",))
