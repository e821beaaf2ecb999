"""The benchmark runs, and what it measured was right."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PURCHASES = {
    "b6": (40, {"product", "product x3", "photo", "text"}),
    "b7": (30, {"product 1 worker", "product 2 workers", "photo"}),
}
"""How many a block has, and whose blocks there are."""


@pytest.mark.parametrize("name", PURCHASES)
def test_a_quick_run_loses_and_doubles_nothing_and_tells_sane_figures(name: str, tmp_path: Path) -> None:
    """A run that loses or doubles a key ends in an error, so a run that ends well proves both."""
    size, subjects = PURCHASES[name]
    done, blocks = _run(name, tmp_path / "figures.json")
    assert "nothing lost or doubled" in done
    assert set(blocks) == subjects
    for block in blocks.values():
        assert block["done"] == size
        assert 0.1 < block["rate"] < 100_000
        assert 0 < block["p50_ms"] <= block["p99_ms"] < 600_000
        assert 50 < block["cpu_us"] < 2_000_000
    served = {subject for subject, block in blocks.items() if block["database_us"] > 0}
    products = {subject for subject in blocks if subject.startswith("product")}
    assert served - {"photo"} == (products if name == "b7" else set()), "only Postgres is a server of its own"


def _run(name: str, figures: Path) -> tuple[str, dict[str, Any]]:
    """Return what a quick run printed, and the blocks of its only round."""
    command = [sys.executable, "-m", "bench", name, "--quick", "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    (blocks,) = json.loads(figures.read_text())[name]["rounds"]
    return done.stdout, blocks
