"""What the page "Write your own adapter" says is so: its files, as they stand, are a project that passes."""

import ast
import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tests.outsider.project import PAGE, PLUGIN, ROOT, Outcome, Project, written

from veilbot_adapters.testing import PORTS
from veilbot_adapters.testing.cache import CacheContract
from veilbot_adapters.testing.limiter import LimiterContract
from veilbot_adapters.testing.vpn import VpnContract

SHELF = (Path(__file__).parent / "shelf.py").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write(written())
    made.write({"test_shelf.py": SHELF})
    return made


def whole(outcome: Outcome) -> None:
    assert outcome.code == 0, outcome.output
    assert not outcome.failures


def test_the_outsiders_adapters_keep_the_contracts_and_their_shop_sells(project: Project) -> None:
    outcome = project.pytest(*PLUGIN)
    whole(outcome)
    assert ("test_shop", "test_a_customer_buys_a_key") in outcome.passed
    for module, contract in {"limits": LimiterContract, "burrow": VpnContract, "shelf": CacheContract}.items():
        promised = {name for name in vars(contract) if name.startswith("test_")}
        assert {name for where, name in outcome.passed if where == f"test_{module}"} == promised


def test_pytest_finds_the_plugin_by_itself(project: Project) -> None:
    """As the entry point says that pyproject declares."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [f"{name} = {where}" for name, where in declared["entry-points"]["pytest11"].items()]
    installed = project.folder / "outsider_probe-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: outsider-probe\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines]))
    others = {entry.name for entry in entry_points(group="pytest11")} - {"asyncio", *PLUGIN}
    blocked = [word for name in sorted(others) for word in ("-p", f"no:{name}")]  # it is ours that is looked for
    for options in ((), PLUGIN[:2]):  # named twice is once
        outcome = project.pytest("-k", "names", "--trace-config", "test_limits.py", *blocked, *options, autoload=True)
        whole(outcome)
        assert re.search(r"PLUGIN registered: <module 'veilbot_adapters.testing'", outcome.output)


def test_the_plugin_costs_nothing_until_a_contract_is_used(project: Project) -> None:
    heavy = "import sys\ndef test_it():\n    assert {m.split('.')[1] for m in sys.modules if m.startswith('veilbot_')"
    project.write(
        {"test_light.py": f"{heavy} and '.' in m}} == {{'testing'}}\n    assert 'veilbot_core' not in sys.modules"}
    )
    whole(project.pytest(*PLUGIN[:2], "test_light.py"))


def test_a_subject_that_was_forgotten_is_an_error_not_a_success(project: Project) -> None:
    lines = "from veilbot_adapters.testing.cache import CacheContract\nclass TestMine(CacheContract): ...\n"
    project.write({"test_forgotten.py": lines})
    outcome = project.pytest(*PLUGIN, "test_forgotten.py")
    assert not outcome.passed
    assert len(outcome.failures) > 5
    assert all("NotImplementedError" in said for said in outcome.failures.values())


@pytest.mark.parametrize("name", [*written(), "shelf.py"])
def test_an_outsider_needs_what_is_public_only(name: str) -> None:
    tree = ast.parse(SHELF if name == "shelf.py" else written()[name])
    found = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {module for module in found if module.startswith("veilbot_")}
    public = ("veilbot_core", "veilbot_adapters.testing", "veilbot_adapters.resilience")
    tools = {"veilbot_adapters", "veilbot_adapters.memory", "veilbot_adapters.system", "veilbot_runners"}
    assert ours
    assert {module for module in ours if not module.startswith(public)} <= tools


def test_the_page_names_every_contract() -> None:
    modules = {path.stem for path in (ROOT / "src/veilbot_adapters/testing").glob("[a-z]*.py")}
    assert modules == set(PORTS)
    text = PAGE.read_text(encoding="utf-8")
    assert [port for port in PORTS if f"`{port}" not in text and port != "failpoints"] == []
