"""The command line: ``veilbot ...``; errors are one sentence on stderr, never a traceback."""

import io
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from veilbot_core.domain.errors import (
    AlreadyExists,
    GatewayOff,
    InvalidInput,
    NoCapacity,
    NotFound,
    VeilbotError,
    because,
)
from veilbot_runners.commands import care, demo, serve, settle, simulate
from veilbot_runners.commands.access import keys, subscriptions
from veilbot_runners.commands.api_keys import api_keys
from veilbot_runners.commands.jobs import jobs
from veilbot_runners.commands.orders import orders
from veilbot_runners.commands.servers import servers
from veilbot_runners.commands.tariffs import tariffs
from veilbot_runners.commands.users import users
from veilbot_runners.settings import DEFAULT_FILE, PREFIX

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
    _open_streams()
    code = _run()
    try:
        sys.stdout.flush()
    except OSError as error:  # who read it has gone, or the disk is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again at exit
        if not isinstance(error, BrokenPipeError):
            print(f"veilbot: what was to be printed is lost: {because(error)}", file=sys.stderr)
        code = code or 1
    sys.exit(code)


def _open_streams() -> None:
    """Let every character be printed somehow, and a stream that was closed swallow it."""
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115, PTH123 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run() -> int:
    if any("\udc80" <= character <= "\udcff" for character in "".join(sys.argv)):  # how Python reads foreign bytes
        print("veilbot: what was typed is not text in UTF-8", file=sys.stderr)
        return 2
    try:
        app()
    except SystemExit as ended:
        return int(ended.code or 0)
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 - the last edge
        return _failed(_first(error))
    return 0


def _failed(error: BaseException) -> int:
    """Say in one sentence what went wrong; return the code to exit with."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    code = 1
    if isinstance(error, VeilbotError):
        said, code = _told(error), 2 if _typed(error) else 1
    elif isinstance(error, OSError):
        said = f"{error.filename}: {because(error)}" if error.filename else because(error)
    elif os.environ.get("VEILBOT_LOG_LEVEL") == "debug":
        raise error
    else:
        *_, place = traceback.walk_tb(error.__traceback__)
        where = f"{Path(place[0].f_code.co_filename).name}, line {place[1]}"
        said = (
            f"a fault of VeilBot's own ({type(error).__name__} in {where}); VEILBOT_LOG_LEVEL=debug shows it, to report"
        )
    print(f"veilbot: {said}", file=sys.stderr)
    return code


def _typed(error: VeilbotError) -> bool:
    """Say whether something on the command line was wrong: every error of the settings names its variable."""
    return isinstance(error, InvalidInput) and error.field is not None and not error.field.startswith(PREFIX)


def _told(error: VeilbotError) -> str:
    """Return the error's sentence, and what to do next unless a command is named there already."""
    hint = _NEXT.get(type(error))
    return error.message if hint is None or "veilbot" in error.message else f"{error.message.rstrip('.')}: {hint}"


def _first(error: BaseException) -> BaseException:
    """Return what went wrong first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
