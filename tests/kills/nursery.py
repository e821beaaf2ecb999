"""A nursery: processes of the shop that start in a tenth of a second, because what they import is imported once.

Python's own fork server has it all loaded and forks; each child is a process of its own, with the settings and the
command line of ``veilbot``, and dies by a real SIGKILL.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

_LOADED = [
    "asyncpg",
    "uvloop",
    "veilbot_adapters.database.postgres",
    "veilbot_adapters.database.sqlite",
    "veilbot_adapters.payments.stripe",
    "veilbot_adapters.qr",
    "veilbot_adapters.telegram",
    "veilbot_adapters.vpn.outline",
    "veilbot_adapters.vpn.v2ray",
    "veilbot_runners.api",
    "veilbot_runners.cli",
    "veilbot_runners.serving",
]
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(_LOADED)


def start(command: tuple[str, ...], environment: Mapping[str, str], log: Path) -> BaseProcess:
    """Start ``veilbot ...``."""
    process = _SERVER.Process(target=_live, args=(command, dict(environment), log), daemon=True)
    process.start()
    return process


def _live(command: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
    from veilbot_runners.cli import main  # noqa: PLC0415 - the child's, loaded already

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(log.parent)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["veilbot", *command]
    main()
