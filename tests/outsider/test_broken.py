"""An adapter that breaks its port's word fails the contract, and pytest says what was wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.outsider.project import PLUGIN, Outcome, Project, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A mistake that somebody might make, and the test that sees it."""

    of: str
    """The file that holds the adapter; its contract stands in ``test_<file>`` or in the same file."""
    right: str
    wrong: str
    seen: str


SHELF = "shelf.py"
SLIPS: Mapping[str, Slip] = {
    "another_key_each_time": Slip(
        of="burrow.py",
        right='"PUT", f"/peers/{key.id}", {"limit"',
        wrong='"PUT", "/peers/" + __import__("uuid").uuid4().hex, {"limit"',
        seen="test_issuing_again_is_the_same_key",
    ),
    "revoking_what_is_gone_is_an_error": Slip(
        of="burrow.py",
        right='if answer.status_code == 404 and method == "DELETE":',
        wrong='if answer.status_code == 404 and method == "GET":',
        seen="test_a_revoked_key_is_gone_and_may_be_revoked_again",
    ),
    "a_limit_that_never_changes": Slip(
        of="burrow.py",
        right='"/peers/{key.id}", {"limit": key.limit})',
        wrong='"/peers/{key.id}", {"limit": 5})',
        seen="test_issuing_again_changes_the_limit",
    ),
    "a_lost_answer_is_called_a_no": Slip(
        of="burrow.py",
        right='raise Unknown("the connection broke") from None',
        wrong='raise Rejected("the connection broke") from None',
        seen="test_a_lost_answer_is_unknown_and_asking_again_is_safe",
    ),
    "a_lost_answer_is_called_nothing": Slip(
        of="burrow.py",
        right='raise Unknown("the connection broke") from None',
        wrong='raise Unavailable("the connection broke") from None',
        seen="test_a_lost_answer_is_unknown_and_asking_again_is_safe",
    ),
    "a_foreign_error_gets_out": Slip(
        of="burrow.py",
        right="except httpx.ConnectError:",
        wrong="except httpx.PoolTimeout:",
        seen="test_a_server_that_is_gone_is_unavailable_and_comes_back_with_its_keys",
    ),
    "a_failed_restore_is_an_empty_one": Slip(
        of="burrow.py",
        right="if failure is not None and not urls:",
        wrong="if failure is not None and urls:",
        seen="test_a_restore_that_brings_nothing_back_says_why",
    ),
    "what_was_not_measured_is_zero": Slip(
        of="burrow.py",
        right="for name, carried in read.items() if carried}",
        wrong="for name, carried in read.items()}",
        seen="test_usage_holds_what_was_measured_only",
    ),
    "settings_that_are_not_checked": Slip(
        of="burrow.py",
        right='given.get(name, "").strip()',
        wrong="given[name].strip()",
        seen="test_settings_that_reach_nothing_are_refused_by_field",
    ),
    "one_too_many": Slip(
        of="limits.py",
        right="allowed = count <= limit",
        wrong="allowed = count <= limit + 1",
        seen="test_one_too_many_hears_when_to_come_back",
    ),
    "refused_hits_prolong_the_window": Slip(
        of="limits.py",
        right="ends = CASE WHEN ends <= ?2 THEN excluded.ends ELSE ends END",
        wrong="ends = excluded.ends",
        seen="test_refused_hits_do_not_prolong_the_window",
    ),
    "one_window_for_all": Slip(
        of="limits.py",
        right="execute(HIT, (name, now, seconds))",
        wrong='execute(HIT, ("all", now, seconds))',
        seen="test_names_are_counted_apart",
    ),
    "what_is_over_is_still_told": Slip(
        of=SHELF,
        right="SELECT value FROM shelf WHERE name = ? AND ends > ?",
        wrong="SELECT value FROM shelf WHERE name = ? OR ends = ?",
        seen="test_what_is_set_is_got_until_its_time_is_over",
    ),
    "everybody_makes": Slip(
        of=SHELF,
        right="if making is None:",
        wrong="if True:",
        seen="test_one_makes_and_the_others_wait_for_the_same_answer",
    ),
    "an_answer_that_is_not_kept": Slip(
        of=SHELF,
        right="            await self.set(name, value, seconds)\n",
        wrong="",
        seen="test_one_makes_and_the_others_wait_for_the_same_answer",
    ),
}


HARMLESS = "test_it_is_the_port or test_is_a_limiter or test_is_a_cache"
"""Shows that an adapter is broken, not unable to run."""


def files(name: str, slip: Slip) -> Mapping[str, str]:
    """Return an adapter with a slip, and its contract, as modules of their own."""
    own = dict(written()) | {SHELF: (Path(__file__).parent / SHELF).read_text(encoding="utf-8")}
    text, module = own[slip.of], slip.of.removesuffix(".py")
    assert text.count(slip.right) == 1, f"{slip.of} does not say it once: {slip.right}"
    broken = text.replace(slip.right, slip.wrong)
    if slip.of == SHELF:
        return {f"test_{name}.py": broken}
    contract = own[f"test_{slip.of}"].replace(f"from {module} import", f"from {name} import")
    return {f"{name}.py": broken, f"test_{name}.py": contract}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    project = Project(tmp_path_factory.mktemp("broken"))
    for name, slip in SLIPS.items():
        project.write(files(name, slip))
    chosen = [f"(test_{name}.py and ({slip.seen} or {HARMLESS}))" for name, slip in SLIPS.items()]
    return project.pytest(*PLUGIN, "-k", " or ".join(chosen))


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_caught(outcome: Outcome, name: str) -> None:
    assert outcome.failed(f"test_{name}") == {SLIPS[name].seen}, outcome.output
    assert len([test for where, test in outcome.passed if where == f"test_{name}" and test in HARMLESS]) == 1


def test_pytest_says_what_was_wrong(outcome: Outcome) -> None:
    said = outcome.failures["test_one_too_many", "test_one_too_many_hears_when_to_come_back"]
    assert "where True = Verdict(allowed=True" in said
