"""``veilbot demo``: the whole shop on this machine, with nobody's account."""

import asyncio
import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from veilbot_core.domain.errors import Conflict, InvalidInput, Refused
from veilbot_runners import logs
from veilbot_runners.commands.printing import AsJson, show
from veilbot_runners.commands.serve import ENV_FILE
from veilbot_runners.settings import read_file

FOLDER = Path("veilbot-demo")


def demo(
    port: Annotated[int, typer.Option(min=1, max=65530, help="Where; the servers take the next five.")] = 8080,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, with an empty shop.")] = False,
    xray: Annotated[bool, typer.Option("--xray", help="Run a real Xray; needs the package Xray-core.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the whole shop against a sandbox of Telegram, Outline, Xray and Stripe on 127.0.0.1."""
    if "prod" in (os.environ.get("VEILBOT_ENV"), read_file(ENV_FILE.get()).get("VEILBOT_ENV")):
        raise Refused("this is a shop in prod (VEILBOT_ENV); the demo runs anywhere else")
    import uvloop

    from veilbot_runners import serving
    from veilbot_runners.sandbox.shop import PLACES, Credentials, run_demo

    folder = FOLDER.resolve()
    if fresh and folder.exists() and not (folder / "credentials.json").exists():
        raise Conflict(f"{folder} was not made by the demo; move it away first")

    def tell(where: Mapping[str, str]) -> None:
        if as_json:
            show(where, as_json=True)
        else:
            _welcome({place.title: where[place.name] for place in PLACES}, where)
        sys.stdout.flush()  # whoever reads a pipe waits for this

    async def go(made: Credentials) -> None:
        stop = asyncio.Event()
        serving.watch_signals(stop)
        await run_demo(folder, port, made, stop, xray=xray, tell=tell)

    with _alone(folder) as lock:
        for old in folder.iterdir() if fresh else ():
            if old != lock:
                old.unlink()
        made = Credentials.read(folder, port)
        secrets = (made.telegram_token, made.stripe_key, made.webhook_secret, made.encryption_key)
        logs.configure("warning", secrets=secrets)
        uvloop.run(go(made))


def _welcome(places: Mapping[str, str], where: Mapping[str, str]) -> None:
    print("\nThe shop is open: buy a key as a customer would.\n")
    lines = {**places, "API key": where["api_key"]}
    lines["Operator"] = f"veilbot --env-file {os.path.relpath(where['env_file'])} order list"
    width = max(map(len, lines))
    for title, value in lines.items():
        print(f"  {title.ljust(width)}  {value}")
    print("\nStop it with Ctrl+C.\n")


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """Hold the folder: two demos in one would sell from one shop to two worlds."""
    path = folder / "lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise InvalidInput(f"the demo keeps its shop in {folder}, which fails: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(f"a demo runs in {folder} already; stop it, or start this one in another folder") from None
        yield path
