"""``veilbot demo``: the whole shop on this machine, with nobody's account."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Annotated

import typer
from dotenv import dotenv_values

from veilbot_core.domain.errors import Conflict, Refused
from veilbot_runners import logs
from veilbot_runners.commands.serve import ENV_FILE

FOLDER = Path("veilbot-demo")


def demo(
    port: Annotated[int, typer.Option(min=1, max=65531, help="Where; the servers take the next four.")] = 8080,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, with an empty shop.")] = False,
) -> None:
    """Run the whole shop against a sandbox of Telegram, Outline, Xray and Stripe on 127.0.0.1."""
    if "prod" in (os.environ.get("VEILBOT_ENV"), dotenv_values(ENV_FILE.get()).get("VEILBOT_ENV")):
        raise Refused("this is a shop in prod (VEILBOT_ENV); the demo runs anywhere else")
    import uvloop

    from veilbot_runners import serving
    from veilbot_runners.sandbox.shop import Credentials, run_demo

    folder = FOLDER.resolve()
    if fresh and folder.exists():
        if not (folder / "credentials.json").exists():
            raise Conflict(f"{folder} was not made by the demo; move it away first")
        shutil.rmtree(folder)
    made = Credentials.read(folder)
    logs.configure("warning", secrets=(made.telegram_token, made.stripe_key, made.webhook_secret, made.encryption_key))

    async def go() -> None:
        stop = asyncio.Event()
        serving.watch_signals(stop)
        await run_demo(folder, port, stop)

    uvloop.run(go())
