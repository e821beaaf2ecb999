"""The command line: ``veilbot ...``; errors are one sentence on stderr, never a traceback."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from veilbot_core.domain.errors import VeilbotError
from veilbot_runners.commands import care, demo, nouns, serve, servers, simulate

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
app.command("openapi")(care.openapi)
app.command("failpoints")(care.failpoints)
app.command("simulate")(simulate.simulate)
app.add_typer(nouns.tariffs, name="tariff")
app.add_typer(servers.servers, name="server")
app.add_typer(nouns.users, name="user")
app.add_typer(nouns.api_keys, name="apikey")


@app.callback()
def _root(
    env_file: Annotated[Path, typer.Option(help="Where settings are read from, beside the environment.")] = Path(
        ".env"
    ),
) -> None:
    """Remember where the settings are."""
    serve.ENV_FILE.set(env_file)


def main() -> None:
    """Run a command; exit 1 on an error, 2 on wrong usage, 130 when interrupted."""
    try:
        app()
    except VeilbotError as error:
        print(f"veilbot: {error}", file=sys.stderr)
        sys.exit(1)
    except BaseExceptionGroup as group:
        print(f"veilbot: {_first(group)}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what went wrong first; anything that is not ours keeps its traceback for the log."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, VeilbotError):
        raise group
    return error
