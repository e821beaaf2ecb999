"""A project of somebody else: a folder with their files, and pytest in a process of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "write-your-own-adapter.md"
PLUGIN = ("-p", "veilbot_adapters.testing", "-p", "pytest_asyncio.plugin")
_BLOCK = re.compile(r"^```python title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def written() -> Mapping[str, str]:
    """Return the files that the page tells to write, by their names."""
    return dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of pytest said: its tests with what went wrong, if anything did, and its exit code."""

    code: int
    output: str
    failures: Mapping[tuple[str, str], str]
    """What went wrong, by module and test without its parameters."""
    passed: set[tuple[str, str]]

    def failed(self, module: str) -> set[str]:
        """Return the tests of a module that failed."""
        return {name for where, name in self.failures if where == module}


@dataclass(frozen=True, slots=True)
class Project:
    """A folder outside the repository."""

    folder: Path

    def write(self, files: Mapping[str, str]) -> None:
        """Put files there."""
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def pytest(self, *options: str, autoload: bool = False) -> Outcome:
        """Run pytest there, with none of our configuration."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("VEILBOT_", "PYTEST_"))}
        environment = kept | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(self.folder)])}
        if not autoload:
            environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        report = self.folder / "report.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", f"--rootdir={self.folder}", *options],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        output = done.stdout + done.stderr
        cases = ET.parse(report).getroot().iter("testcase") if report.exists() else iter(())  # noqa: S314 (our own)
        failures, passed = {}, set()
        for case in cases:
            named = case.get("classname", "").split(".")[0], case.get("name", "").partition("[")[0]
            wrong = [child for child in case if child.tag in {"failure", "error"}]
            if wrong:
                failures[named] = wrong[0].text or ""
            else:
                passed.add(named)
        return Outcome(code=done.returncode, output=output, failures=failures, passed=passed)
