"""The command line as an operator has it, in this process."""

import sys
from pathlib import Path

import pytest
from tests.runners.commands.terminal import Done, Run

from veilbot_runners.cli import main
from veilbot_runners.settings import Settings


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kept_logs: None,  # noqa: ARG001
) -> Run:
    """Run ``veilbot ...`` in an empty folder."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"VEILBOT_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)

    def act(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["veilbot", *arguments])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return Done(code=code, out=out, err=err)

    return act


@pytest.fixture
def shop(run: Run, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The same, with a migrated database."""
    monkeypatch.setenv("VEILBOT_DATABASE_URL", sqlite_url)
    return run
