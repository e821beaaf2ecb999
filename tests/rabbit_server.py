"""A real RabbitMQ for the tests, private to one run.

Where it comes from: the server at ``VEILBOT_TEST_BROKER_URL``, else Debian's ``rabbitmq-server``, whose service need
not run. Tests that need it never skip. Those that stop a broker always start one of their own, so for them an address
alone is not enough.

Everything that a broker leaves elsewhere is kept in a temporary folder: its data, its logs, its cookie, and the epmd
by which Erlang's nodes find each other; that one runs as a child of ours on a port of its own, because Erlang would
leave one behind. As root, all of it runs as ``nobody``.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

BIN = Path("/usr/lib/rabbitmq/bin")
"""Debian's program of this name on the path insists on the package's own user and folders."""
PATIENCE = 60.0
_WRITTEN_DOWN = 1.0
_CONFIG = "loopback_users = none\nlog.file.level = warning\ndisk_free_limit.absolute = 10MB\n"


class PrivateBroker:
    """A broker of our own on free ports, that tests may kill and start; its queues outlive it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._program = _program("rabbitmq-server")
        self._port, distribution, epmd = _free_port(), _free_port(), _free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}/"
        self._as_nobody = _as_nobody(home)
        self._environment = _environment(home, self._port, distribution, epmd)
        (home / "rabbitmq.conf").write_text(_CONFIG, encoding="utf-8")
        (home / "enabled_plugins").write_text("[].\n", encoding="utf-8")
        self._epmd = self._run([_program("epmd"), "-port", str(epmd), "-address", "127.0.0.1"])
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start with what it had, and wait until it speaks AMQP."""
        self._process = self._run([self._program])
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as wire:
                wire.settimeout(5)
                wire.sendall(b"AMQP\x00\x00\x09\x01")
                if wire.recv(1):  # its Connection.Start
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the private RabbitMQ did not start:\n{(self.home / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it as a crash does, once it has had the time to know its queues again.

        Ra writes down every half second which quorum queues it has (``ra_directory``, a DETS table): one that is
        younger than that is there after a crash, but answers nobody.
        """
        if self._process is not None:
            time.sleep(_WRITTEN_DOWN)
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
            self._process = None

    def end(self) -> None:
        """End it and what it needed."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE)
        self._epmd.kill()
        self._epmd.wait(PATIENCE)

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Let it keep its connections and answer nothing for a while."""
        if self._process is None:
            raise RuntimeError("it does not run")
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, env=self._environment, start_new_session=True, **self._as_nobody
            )


@contextlib.contextmanager
def private_broker() -> Iterator[PrivateBroker]:
    """Run a broker of our own."""
    home = Path(tempfile.mkdtemp(prefix="veilbot-mq-"))
    try:
        broker = PrivateBroker(home)
        try:
            yield broker
        finally:
            broker.end()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def any_broker() -> Iterator[str]:
    """Yield the address of a broker: our own, or the one that the environment names."""
    if url := os.environ.get("VEILBOT_TEST_BROKER_URL"):
        yield url
        return
    with private_broker() as broker:
        yield broker.url


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{BIN}:/usr/local/bin:/usr/bin:/bin")
    if found is None:
        raise RuntimeError(f"no {name} for the tests: apt-get install rabbitmq-server, or set VEILBOT_TEST_BROKER_URL")
    return found


def _environment(home: Path, port: int, distribution: int, epmd: int) -> Mapping[str, str]:
    return {
        "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"veilbot{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}",
    }


def _as_nobody(home: Path) -> dict[str, Any]:
    if os.getuid() != 0:
        return {"cwd": "/"}
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    return {"cwd": "/", "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
