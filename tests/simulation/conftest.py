"""What the seeds cost, told at the end of a run."""

from collections import Counter

import pytest

SPENT = pytest.StashKey[Counter[str]]()


@pytest.fixture
def spent(pytestconfig: pytest.Config) -> Counter[str]:
    """Count seeds, and the milliseconds of processor time that they and those that failed once take."""
    return pytestconfig.stash.setdefault(SPENT, Counter())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say it, whatever else is shown."""
    spent = config.stash.get(SPENT, Counter[str]())
    seeds, kept = (f"{spent[name] / 1000:.1f} s of processor time" for name in ("seeds' time", "kept seeds' time"))
    if spent["seeds"]:
        terminalreporter.write_line(f"{spent['seeds']} seeds: {seeds}; those that failed once: {kept}")
