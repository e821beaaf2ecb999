"""The command line: ``veilbot ...``; errors are one sentence on stderr, never a traceback."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from veilbot_core.domain.errors import AlreadyExists, GatewayOff, NoCapacity, NotFound, VeilbotError
from veilbot_runners.commands import care, demo, serve, settle, simulate
from veilbot_runners.commands.access import keys, subscriptions
from veilbot_runners.commands.api_keys import api_keys
from veilbot_runners.commands.jobs import jobs
from veilbot_runners.commands.orders import orders
from veilbot_runners.commands.servers import servers
from veilbot_runners.commands.tariffs import tariffs
from veilbot_runners.commands.users import users
from veilbot_runners.settings import DEFAULT_FILE

_NEXT: dict[type[VeilbotError], str] = {
    NotFound: "the `list` commands show what there is",
    AlreadyExists: "its name or its Telegram account is taken; choose another",
    NoCapacity: "`veilbot server list` shows them",
    GatewayOff: "`veilbot doctor` says what to set",
}
"""What to do about errors whose own sentence cannot know it."""

app = typer.Typer(
    name="veilbot",
    help="A shop that sells VPN access through Telegram and runs the servers behind it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("init")(care.init)
app.command("run")(serve.run)
app.command("bot")(serve.bot)
app.command("api")(serve.api)
app.command("worker")(serve.worker)
app.command("migrate")(care.migrate)
app.command("doctor")(care.doctor)
app.command("reconcile")(care.reconcile)
app.command("rotate-keys")(care.rotate_keys)
app.command("settle")(settle.settle)
app.command("openapi")(care.openapi)
app.command("asyncapi")(care.asyncapi)
app.command("failpoints")(care.failpoints)
app.command("simulate")(simulate.simulate)
app.add_typer(tariffs, name="tariff")
app.add_typer(servers, name="server")
app.add_typer(users, name="user")
app.add_typer(orders, name="order")
app.add_typer(jobs, name="job")
app.add_typer(subscriptions, name="subscription")
app.add_typer(keys, name="key")
app.add_typer(api_keys, name="apikey")


@app.callback()
def _root(
    env_file: Annotated[
        Path, typer.Option(help="Where settings are read from, beside the environment.")
    ] = DEFAULT_FILE,
) -> None:
    """Remember where the settings are."""
    serve.ENV_FILE.set(env_file)


def main() -> None:
    """Run a command; exit 1 on an error, 2 on wrong usage, 130 when interrupted."""
    try:
        app()
    except VeilbotError as error:
        print(f"veilbot: {_told(error)}", file=sys.stderr)
        sys.exit(1)
    except BaseExceptionGroup as group:
        print(f"veilbot: {_told(_first(group))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _told(error: VeilbotError) -> str:
    """Return the error's sentence, and what to do next unless a command is named there already."""
    hint = _NEXT.get(type(error))
    return error.message if hint is None or "veilbot" in error.message else f"{error.message.rstrip('.')}: {hint}"


def _first(group: BaseExceptionGroup[BaseException]) -> VeilbotError:
    """Return what went wrong first; anything that is not ours keeps its traceback for the log."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, VeilbotError):
        raise group
    return error
