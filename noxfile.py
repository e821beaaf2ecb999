"""Every check of the project: ``nox`` runs the linters and all tests on this Python."""

import os

import nox

nox.options.sessions = ["lint", "proof", "tests"]
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_existing_virtualenvs = True

LOCKED = ("--require-hashes", "-r", "requirements-dev.txt")


def _install(session: nox.Session) -> None:
    session.install(*LOCKED)
    session.install("--no-deps", "-e", ".")


@nox.session
def lint(session: nox.Session) -> None:
    """Format, rules, types and the walls between the packages."""
    _install(session)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but the proof, with the coverage of the core; Postgres is a real one from a wheel."""
    _install(session)
    session.run("pytest", "--ignore=tests/simulation", "--cov", "--cov-branch", *session.posargs)


@nox.session
def proof(session: nox.Session) -> None:
    """The simulator with all of its 500 seeds, every past failing one, and the planted bugs."""
    _install(session)
    session.run("pytest", "tests/simulation", *session.posargs)


@nox.session
def kills(session: nox.Session) -> None:
    """Real processes killed at each failpoint, 20 times on SQLite and 10 on Postgres, and Postgres itself killed."""
    _install(session)
    times = os.environ.get("VEILBOT_TEST_KILLS") or "20"
    session.run("python", "-m", "pytest", "-s", "tests/kills", *session.posargs, env={"VEILBOT_TEST_KILLS": times})


@nox.session
def peers(session: nox.Session) -> None:
    """Tests against real V2Ray, Xray, nginx and RabbitMQ; before: apt-get install v2ray nginx-light rabbitmq-server."""
    _install(session)
    session.run("pytest", "tests/peers", *session.posargs, env={"VEILBOT_TEST_PEERS": "1"})


@nox.session(python=["3.11", "3.12", "3.13"])
def matrix(session: nox.Session) -> None:
    """All tests on each supported Python."""
    _install(session)
    session.run("pytest", *session.posargs, env={"VEILBOT_SIMULATION_SEEDS": "50"})


@nox.session
def bench(session: nox.Session) -> None:
    """Measured speed, as ratios in one run; see bench/README.md."""
    _install(session)
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def proto(session: nox.Session) -> None:
    """Generate the messages of V2Ray's API anew; a test says when that is due."""
    _install(session)
    options = ("--proto_path=src", "--python_out=src", "--pyi_out=src")
    session.run("python", "-m", "grpc_tools.protoc", *options, "src/veilbot_adapters/vpn/proto/core.proto")


@nox.session
def lock(session: nox.Session) -> None:
    """Write the requirements files anew, with hashes and without addresses."""
    session.install("uv")
    options = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header")
    compile_ = ("uv", "pip", "compile", "-q", "--no-emit-find-links", "--no-annotate", *options, *session.posargs)
    session.run(*compile_, "pyproject.toml", "-o", "requirements.txt")
    session.run(*compile_, "pyproject.toml", "--group", "dev", "-o", "requirements-dev.txt")
