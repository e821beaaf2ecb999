"""``veilbot demo``: the whole shop on this machine, with nobody's account."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from veilbot_core.domain.errors import Conflict, InvalidInput, Refused
from veilbot_runners import logs
from veilbot_runners.commands.serve import ENV_FILE
from veilbot_runners.settings import read_file

FOLDER = Path("veilbot-demo")


def demo(
    port: Annotated[int, typer.Option(min=1, max=65530, help="Where; the servers take the next five.")] = 8080,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, with an empty shop.")] = False,
    xray: Annotated[bool, typer.Option("--xray", help="Run a real Xray; needs the package Xray-core.")] = False,
) -> None:
    """Run the whole shop against a sandbox of Telegram, Outline, Xray and Stripe on 127.0.0.1."""
    if "prod" in (os.environ.get("VEILBOT_ENV"), read_file(ENV_FILE.get()).get("VEILBOT_ENV")):
        raise Refused("this is a shop in prod (VEILBOT_ENV); the demo runs anywhere else")
    import uvloop

    from veilbot_runners import serving
    from veilbot_runners.sandbox.shop import Credentials, run_demo

    folder = FOLDER.resolve()
    if fresh and folder.exists() and not (folder / "credentials.json").exists():
        raise Conflict(f"{folder} was not made by the demo; move it away first")

    async def go(made: Credentials) -> None:
        stop = asyncio.Event()
        serving.watch_signals(stop)
        await run_demo(folder, port, made, stop, xray=xray)

    with _alone(folder) as lock:
        for old in folder.iterdir() if fresh else ():
            if old != lock:
                old.unlink()
        made = Credentials.read(folder, port)
        secrets = (made.telegram_token, made.stripe_key, made.webhook_secret, made.encryption_key)
        logs.configure("warning", secrets=secrets)
        uvloop.run(go(made))


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
