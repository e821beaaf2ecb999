"""The benchmark runs, and what it measured was right."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_quick_run_of_b6_loses_and_doubles_nothing_and_tells_sane_figures(tmp_path: Path) -> None:
    """A run that loses or doubles a key ends in an error, so a run that ends well proves both."""
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "b6", "--quick", "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "nothing lost or doubled" in done.stdout
    (blocks,) = json.loads(figures.read_text())["b6"]["rounds"]
    assert set(blocks) == {"product", "product x3", "photo", "text"}
    for block in blocks.values():
        assert block["done"] == 40
        assert 5 < block["rate"] < 100_000
        assert 0 < block["p50_ms"] <= block["p99_ms"] < 20_000
        assert 50 < block["cpu_us"] < 200_000
