"""Keeping: what the demo's Telegram, Stripe and Outline remember, on disk: a second start finds the same world."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from veilbot_core.domain.errors import InvalidInput
from veilbot_runners.sandbox.outline import OutlineSandbox
from veilbot_runners.sandbox.stripe import StripeSandbox
from veilbot_runners.sandbox.telegram import TelegramSandbox

_EVERY = 2.0  # seconds; a demo that is killed forgets no more than these


@asynccontextmanager
async def keeping(
    path: Path, telegram: TelegramSandbox, stripe: StripeSandbox, outline: OutlineSandbox
) -> AsyncIterator[None]:
    """Read what was kept, and keep it again while it changes and at the end.

    Raises:
        InvalidInput: the file is not the sandbox's.
    """
    _read(path, telegram, stripe, outline)
    written = _stamp(telegram, stripe, outline)

    async def keep() -> None:
        nonlocal written
        while True:
            await asyncio.sleep(_EVERY)
            if (now := _stamp(telegram, stripe, outline)) != written:
                written = now
                await asyncio.to_thread(_write, path, _dump(telegram, stripe, outline))

    async with asyncio.TaskGroup() as group:
        keeper = group.create_task(keep())
        try:
            yield
        finally:
            keeper.cancel()
            _write(path, _dump(telegram, stripe, outline))


def _read(path: Path, telegram: TelegramSandbox, stripe: StripeSandbox, outline: OutlineSandbox) -> None:
    if not path.exists():
        return
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        telegram.chats.load(kept["chats"])
        telegram.files.load(kept["files"])
        stripe.books.load(kept["stripe"])
        outline.load(kept["outline"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path} cannot be read; start over with --fresh") from error


def _stamp(telegram: TelegramSandbox, stripe: StripeSandbox, outline: OutlineSandbox) -> tuple[object, ...]:
    """Return what differs whenever there is something new to keep."""
    keys = [tuple(server.keys) for server in outline.servers.values()]
    return telegram.chats.version, len(stripe.books.sessions), len(stripe.books.events), keys


def _dump(telegram: TelegramSandbox, stripe: StripeSandbox, outline: OutlineSandbox) -> str:
    kept = {
        "chats": telegram.chats.dump(),
        "files": telegram.files.dump(),
        "stripe": stripe.books.dump(),
        "outline": outline.dump(),
    }
    return json.dumps(kept, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole: who is killed meanwhile leaves the old one."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(path)
