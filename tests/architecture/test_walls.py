"""The walls between packages, and a planted violation of each that is seen."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / ".importlinter"

PLANTS: Mapping[str, Mapping[str, str]] = {
    "packages": {"veilbot_adapters/system.py": "import veilbot_runners.settings"},
    "core": {"veilbot_core/domain/money.py": "import veilbot_core.steps"},
    "services": {"veilbot_core/services/users.py": "import veilbot_core.services.catalog"},
    "stdlib": {"veilbot_core/domain/money.py": "def late() -> None:\n    import sqlalchemy"},
    "adapters": {"veilbot_adapters/vpn/outline.py": "import veilbot_adapters.memory"},
    "container": {"veilbot_runners/worker.py": "import veilbot_adapters.vpn.outline"},
    "words": {"veilbot_runners/bot/bot.py": "import veilbot_adapters.telegram"},
    "care": {"veilbot_runners/api/app.py": "import veilbot_adapters.database"},
    "testing": {"veilbot_runners/worker.py": "import veilbot_adapters.testing.vpn"},
    "runners": {"veilbot_runners/bot/bot.py": "import veilbot_runners.api.app"},
    "api": {"veilbot_runners/api/vpn/routes.py": "import veilbot_runners.api.billing.routes"},
    "cycles": {
        "veilbot_adapters/database/planted_one.py": "import veilbot_adapters.database.planted_two",
        "veilbot_adapters/database/planted_two.py": "import veilbot_adapters.database.planted_one",
    },
}
STRANGERS = {
    "core": "veilbot_core/helpers.py",
    "services": "veilbot_core/services/helpers.py",
    "adapters": "veilbot_adapters/helpers.py",
    "runners": "veilbot_runners/helpers.py",
}
"""Where an exhaustive contract wants every new module to be given its place."""


def contracts() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS, encoding="utf-8")
    return parser


def lint(root: Path, *options: str) -> tuple[int, str]:
    """Run import-linter over a tree; return its exit code and what it says."""
    command = shutil.which("lint-imports", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert command is not None, "import-linter is not installed beside this Python"
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [command, "--config", ".importlinter", *options],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the sources that a test may spoil."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CONTRACTS, root)
    return root


@pytest.fixture
def plant(copied: Path) -> Iterator[dict[str, str]]:
    """Give a dictionary of what a test planted, and take it all out again at the end."""
    before: dict[str, str] = {}
    yield before
    for name, text in before.items():
        path = copied / "src" / name
        if text:
            path.write_text(text)
        else:
            path.unlink()


def spoil(root: Path, before: dict[str, str], name: str, line: str) -> None:
    path = root / "src" / name
    before[name] = path.read_text() if path.exists() else ""
    path.write_text(f"{before[name]}\n{line}\n")


class TestTheWalls:
    def test_they_stand(self) -> None:
        code, said = lint(ROOT, "--no-cache")
        assert code == 0, said

    def test_the_copy_stands_too(self, copied: Path) -> None:
        code, said = lint(copied)
        assert code == 0, said

    def test_every_contract_has_its_planted_violation(self) -> None:
        named = {section.rpartition(":")[2] for section in contracts().sections() if ":" in section}
        assert named == set(PLANTS)

    @pytest.mark.parametrize("contract", PLANTS)
    def test_a_violation_is_seen(self, copied: Path, plant: dict[str, str], contract: str) -> None:
        for name, line in PLANTS[contract].items():
            spoil(copied, plant, name, line)
        code, said = lint(copied, "--contract", contract)
        assert code == 1, said
        assert "1 broken" in said

    @pytest.mark.parametrize("contract", STRANGERS)
    def test_a_new_module_must_be_given_its_place(self, copied: Path, plant: dict[str, str], contract: str) -> None:
        spoil(copied, plant, STRANGERS[contract], '"""Helpers."""')
        code, said = lint(copied, "--contract", contract)
        assert code == 1, said
        assert "not listed as layers" in said

    def test_every_dependency_is_kept_out_of_the_core(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = {_plain(re.split(r"[^\w.-]", line)[0]) for line in project["dependencies"]}
        modules = {
            module
            for module, distributions in packages_distributions().items()
            if wanted & {_plain(name) for name in distributions} and not module.startswith("_")
        }
        forbidden = set(contracts()["importlinter:contract:stdlib"]["forbidden_modules"].split())
        assert modules - forbidden == set()


def _plain(name: str) -> str:
    """Write a distribution's name as the index does (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
