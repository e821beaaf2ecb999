"""Commands that run until they are told to stop, and how every command reaches the shop."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, TypeVar

import structlog
import typer

from veilbot_core.application import Application
from veilbot_core.domain.errors import InvalidInput, VeilbotError
from veilbot_runners import backends, logs
from veilbot_runners.settings import DEFAULT_FILE, Settings, load

_LOG = structlog.get_logger(__name__)
ENV_FILE: ContextVar[Path] = ContextVar("env_file", default=DEFAULT_FILE)
T = TypeVar("T")


def settings() -> Settings:
    """Read the settings and set up the logs."""
    found = load(env_file=ENV_FILE.get())
    logs.configure(found.log_level, secrets=found.secrets())
    return found


def with_shop(act: Callable[[Application], Awaitable[T]]) -> T:
    """Open the shop for one command, do something, close it."""
    found = load(env_file=ENV_FILE.get())

    async def go() -> T:
        from veilbot_runners.container import open_container

        async with open_container(found) as container:
            await container.storage().check()
            return await act(container.application())

    logs.configure("error", secrets=found.secrets())
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

    try:
        uvloop.run(go())
    except* VeilbotError:
        raise
    except* Exception:
        _LOG.exception("this process ends")  # the command line says one sentence; the log keeps where it came from
        raise


def _migrated(found: Settings) -> Settings:
    from veilbot_adapters.database import migrate

    with backends.naming("VEILBOT_DATABASE_URL"):
        asyncio.run(migrate(found.database_url))
    return found


def run() -> None:
    """Run the bot, the API and the worker in one process; brings the schema up to date first."""
    forever(_migrated(settings()), ("bot", "api", "worker"))


def bot() -> None:
    """Run the Telegram bot alone; in webhook mode it listens where the API would."""
    found = settings()
    if found.telegram.token is None:
        raise InvalidInput("VEILBOT_TELEGRAM__TOKEN is not set: there is no bot to run")
    if found.telegram.mode == "webhook":
        forever(found, ("bot", "api"), ("webhooks",))
    else:
        forever(found, ("bot",))


def api(
    modules: Annotated[
        str | None, typer.Option(help="Comma-separated: users,billing,vpn,admin,webhooks,links; without it, all.")
    ] = None,
) -> None:
    """Run the HTTP API alone, or some of its modules."""
    forever(settings(), ("api",), None if modules is None else _modules(modules))


def _modules(text: str) -> list[str]:
    """Read the names of modules; one that there is not is wrong usage, and so is none at all."""
    from veilbot_runners.serving import MODULES

    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in MODULES:
            print(f"veilbot: there is no module {name!r}; there are {', '.join(MODULES)}", file=sys.stderr)
            raise typer.Exit(2)
    return names


def worker() -> None:
    """Run the worker alone."""
    forever(settings(), ("worker",))
