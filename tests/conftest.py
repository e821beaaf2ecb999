"""Databases for every test that wants one: already migrated, and its own."""

import itertools
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from tests.postgres import Server, any_server, apart
from tests.redis_server import any_redis

from veilbot_adapters.database import migrate
from veilbot_adapters.database.tables import metadata

_numbers = itertools.count(1)

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")  # without a stopwatch, because the machine may be busy


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A Postgres server for the whole run."""
    with any_server() as server:
        yield server


@pytest.fixture(scope="session")
def _postgres_template(postgres: Server) -> Iterator[str]:
    name = f"veilbot_template_{os.getpid()}"
    postgres.create(name, "template1")
    apart(migrate(postgres.url(name)))
    yield name
    postgres.drop(name)


@pytest.fixture(scope="session")
def _postgres_shared(postgres: Server, _postgres_template: str) -> Iterator[str]:
    name = f"veilbot_shared_{os.getpid()}"
    postgres.create(name, _postgres_template)
    yield name
    postgres.drop(name)


@pytest.fixture
def postgres_url(postgres: Server, _postgres_shared: str) -> Iterator[str]:
    """The address of a migrated Postgres database without rows; its schema is not for changing."""
    yield postgres.url(_postgres_shared)
    postgres.empty(_postgres_shared, (table.name for table in reversed(metadata.sorted_tables)))


@pytest.fixture
def own_postgres_url(postgres: Server, _postgres_template: str) -> Iterator[str]:
    """The address of a migrated Postgres database whose schema a test may change."""
    name = f"veilbot_{os.getpid()}_{next(_numbers)}"
    postgres.create(name, _postgres_template)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def empty_postgres_url(postgres: Server) -> Iterator[str]:
    """The address of a Postgres database with nothing in it."""
    name = f"veilbot_{os.getpid()}_{next(_numbers)}"
    postgres.create(name, "template1")
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis server for the whole run; each test takes a prefix of its own."""
    with any_redis() as url:
        yield url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    apart(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """The address of a fresh, migrated SQLite database."""
    path = tmp_path / "veilbot.db"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def kept_logs() -> Iterator[None]:
    """Give the process its logging back after a test that configures it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
