"""Where the product's Python time goes while B6 loads it: py-spy's raw stacks, added up by part of the product.

Threads that wait are left out (of those that hold the interpreter's lock py-spy misses most of the database's).

``python -m bench profile --size 4000`` samples the product for one long block; a sample belongs to the innermost
frame that names a part below.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("COMMIT (fsync)", ("connection.py:commit",)),
    ("rows to objects", ("database/rows.py",)),
    ("SQL on the writer", ("_serve_writes",)),
    ("SQL on the readers", ("_serve_reads",)),
    ("hops to threads", ("database/calls.py", "database/sqlite.py")),
    ("Stripe: verify, read", ("payments/stripe",)),
    ("sealing", ("sealing.py",)),
    ("QR picture", ("veilbot_adapters/qr.py",)),
    ("Outline client", ("veilbot_adapters/vpn/",)),
    ("Telegram texts", ("telegram/texts.py", "telegram/letters.py")),
    ("Telegram client", ("telegram/client.py", "telegram/notifier.py", "aiohttp/")),
    ("guard", ("resilience/",)),
    ("HTTP route", ("veilbot_runners/api/", "litestar/", "uvicorn/")),
    ("logging", ("structlog/", "logging/__init__")),
    ("facts to the bus", ("services/work.py:relay", "memory/bus.py", "worker.py:_relay")),
    ("job machinery", ("services/work.py", "veilbot_runners/worker.py", "asyncio/taskgroups.py")),
    ("services", ("veilbot_core/",)),
)
"""From the most particular to the most general; each with the pieces of a frame that tell it."""


@contextmanager
def sampled(pid: int, stacks: Path, rate: int = 400) -> Iterator[None]:
    """Sample a process for as long as the block lasts."""
    spy = Path(sys.executable).with_name("py-spy")
    command = [str(spy), "record", "--pid", str(pid), "--format", "raw", "--rate", str(rate), "--full-filenames"]
    command += ["--threads", "--output", str(stacks), "--duration", "600"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        yield
    finally:
        process.send_signal(2)
        process.wait(30)


def by_part(lines: Iterable[str]) -> Counter[str]:
    """Add up samples by part."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, samples = line.rpartition(" ")
        found[_part(stack.split(";"))] += int(samples)
    return found


def _part(frames: list[str]) -> str:
    named = [_name(frame) for frame in frames]
    whole = ";".join(named)
    for part, signs in PARTS[:4]:  # the database's threads
        if any(sign in whole for sign in signs):
            return part
    for frame in reversed(named):
        for part, signs in PARTS[4:]:
            if any(sign in frame for sign in signs):
                return part
    return "event loop and the rest"


def _name(frame: str) -> str:
    """Turn ``function (path:line)`` into ``path:function``."""
    function, _, rest = frame.partition(" (")
    return f"{rest.rpartition(':')[0] or rest}:{function}"


def report(stacks: Path) -> None:
    """Print the parts, the dearest first."""
    found = by_part(stacks.read_text().splitlines())
    total = sum(found.values())
    for part, samples in found.most_common():
        print(f"  {part:<24} {samples / total:6.1%}")
