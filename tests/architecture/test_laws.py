"""The code keeps its laws, and each law sees a violation that is planted for it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.architecture import laws

ROOT = Path(__file__).resolve().parents[2]
SRC, TESTS, BENCH = ROOT / "src", ROOT / "tests", ROOT / "bench"
CONTRACTS = SRC / "veilbot_adapters" / "testing"
TEXTS = {
    ".cfg",
    ".css",
    ".ftl",
    ".html",
    ".ini",
    ".js",
    ".json",
    ".md",
    ".py",
    ".sh",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
    "",
}

NOTHING_HAPPENS = {
    "test_a_point_that_was_told_nothing_does_nothing",
    "test_without_a_ring_the_wait_ends_by_itself",
    "test_nothing_to_append_or_to_mark_does_nothing",
    "test_saving_none_does_nothing",
}
"""Tests whose whole sentence is that nothing is raised, or that a wait ends."""


def kept() -> list[Path]:
    """Return the files under version control, as far as they are texts."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)  # noqa: S607
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.suffix in TEXTS and path.is_file()]


class TestTheCode:
    def test_the_core_imports_the_standard_library_only(self) -> None:
        assert laws.foreign_imports(SRC / "veilbot_core") == []

    def test_files_functions_and_nestings_are_small(self) -> None:
        assert laws.too_large(SRC, TESTS, BENCH) == []

    def test_everything_public_says_what_it_is(self) -> None:
        assert laws.undocumented(SRC) == []

    def test_nothing_was_left_for_later(self) -> None:
        assert laws.leftovers(SRC, TESTS, BENCH) == []

    def test_every_test_asserts_something(self) -> None:
        silent = [
            line for line in laws.silent_tests(TESTS, CONTRACTS) if line.rpartition(" ")[2] not in NOTHING_HAPPENS
        ]
        assert silent == []

    def test_no_file_knows_the_machine_that_it_was_written_on(self) -> None:
        assert laws.machine_paths(kept()) == []

    def test_the_readme_names_every_package_that_the_peers_need(self) -> None:
        readme, nox = (
            re.findall(r"apt-get install ((?:[a-z0-9-]+ ?)+)", (ROOT / name).read_text(encoding="utf-8"))
            for name in ("README.md", "noxfile.py")
        )
        assert [packages.strip() for packages in readme] == [packages.strip() for packages in nox] != []

    def test_requirements_leave_the_index_to_who_installs(self) -> None:
        requirements = sorted(ROOT.glob("requirements*.txt"))
        assert requirements
        assert laws.index_addresses(requirements) == []


def _file(limit: int) -> str:
    return "\n".join(["x = 1"] * limit)


def _function(lines: int) -> str:
    return "\n".join(["def long():", *["    x = 1"] * (lines - 1)])


DEEP = """
def deep(x):
    for _ in x:
        while x:
            with x:
                {innermost}
                    pass
"""
FLAT = """
def flat(x):
    if x:
        pass
    elif x > 1:
        pass
    elif x > 2:
        for _ in x:
            with x:
                pass
"""


class TestTheLawsSee:
    @pytest.mark.parametrize(
        ("text", "seen"),
        [
            ("import httpx", 1),
            ("from sqlalchemy.orm import Session", 1),
            ("from . import tariff", 1),
            ("def f():\n    import numpy", 1),
            ("import json, asyncio.subprocess\nfrom core.domain import money", 0),
        ],
    )
    def test_a_foreign_import(self, tmp_path: Path, text: str, seen: int) -> None:
        core = tmp_path / "core"
        core.mkdir()
        (core / "planted.py").write_text(text)
        assert len(laws.foreign_imports(core)) == seen

    @pytest.mark.parametrize(
        ("law", "text", "seen"),
        [
            (laws.too_large, _file(301), 1),
            (laws.too_large, _file(300), 0),
            (laws.too_large, _function(51), 1),
            (laws.too_large, _function(50), 0),
            (laws.too_large, DEEP.format(innermost="if x:"), 1),
            (laws.too_large, DEEP.format(innermost="match x:\n                  case _:"), 1),
            (laws.too_large, DEEP.format(innermost="def inner():"), 0),
            (laws.too_large, FLAT, 0),
            (laws.undocumented, "x = 1", 1),
            (laws.undocumented, '"""M."""\ndef public(): ...', 1),
            (laws.undocumented, '"""M."""\nclass Public: ...', 1),
            (laws.undocumented, '"""M."""\nclass Public:\n    """C."""\n    def method(self): ...', 1),
            (laws.undocumented, '"""M."""\nclass _Own:\n    def method(self): ...\ndef _own(): ...', 0),
            (laws.undocumented, '"""M."""\ndef public():\n    """F."""\n    def inner(): ...', 0),
            (laws.undocumented, '"""M."""\nclass Contract:\n    """C."""\n    def test_it(self): ...', 0),
            (laws.leftovers, "# TO" + "DO: later", 1),
            (laws.leftovers, "from unittest" + ".mock import Mock", 1),
            (laws.leftovers, "@pytest.mark." + "skip\nclass X: ...", 1),
            (laws.leftovers, "@pytest.mark." + "xfail(strict=True)\nclass X: ...", 1),
            (laws.leftovers, "pytest." + "importorskip('x')", 1),
            (laws.leftovers, "skipped = 1", 0),
            (laws.silent_tests, "def test_nothing():\n    print()", 1),
            (laws.silent_tests, "def helper():\n    print()\ndef test_nothing():\n    helper()", 1),
            (laws.silent_tests, "def test_one():\n    assert 1", 0),
            (laws.silent_tests, "def test_two():\n    with pytest.raises(E):\n        f()", 0),
            (laws.silent_tests, "def helper():\n    assert 1\ndef test_three():\n    helper()", 0),
        ],
    )
    def test_what_breaks_them(self, tmp_path: Path, *, law: Callable[..., list[str]], text: str, seen: int) -> None:
        (tmp_path / "planted.py").write_text(text)
        assert len(law(tmp_path)) == seen

    @pytest.mark.parametrize(
        ("law", "line", "seen"),
        [
            (laws.machine_paths, "cd /wo" + "rk/main", 1),
            (laws.machine_paths, '"/ro' + 'ot/.cache"', 1),
            (laws.machine_paths, "path=/fa" + "rm", 1),
            (laws.machine_paths, "GET /api/v1/work and https://x.example/root/", 0),
            (laws.machine_paths, "src/veilbot_core/services/work.py", 0),
            (laws.index_addresses, "--index" + "-url https://x", 1),
            (laws.index_addresses, "x @ https" + "://files.example/x.whl", 1),
            (laws.index_addresses, "aiogram==3.31.0 \\", 0),
        ],
    )
    def test_a_line_that_breaks_them(
        self, tmp_path: Path, *, law: Callable[..., list[str]], line: str, seen: int
    ) -> None:
        path = tmp_path / "planted.txt"
        path.write_text(line + "\n")
        assert len(law([path])) == seen

    def test_the_files_of_the_repository(self) -> None:
        assert {ROOT / "README.md", ROOT / "pyproject.toml", SRC / "veilbot_core" / "application.py"} <= set(kept())
