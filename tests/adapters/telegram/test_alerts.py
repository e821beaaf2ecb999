"""What operators read: everything that is known, and a command that exists."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
import typer.main

from veilbot_adapters.telegram import Texts, alerts
from veilbot_core.domain.money import Money
from veilbot_core.domain.user import Language
from veilbot_core.ports.notifier import About, Alert
from veilbot_runners.cli import app

TEXTS = Texts()
ORDER, JOB, SUBJECT = UUID(int=7), UUID(int=8), UUID(int=9)
ABOUT = About(
    reason="paid 4.98 USD, ordered for 4.99 USD",
    customer="Ann <b> (Telegram 7)",
    order_id=ORDER,
    tariff="Month",
    money=Money(amount=499, currency="USD"),
    payment="pi_3Qx",
    server="Amsterdam 1",
    since=datetime(2026, 11, 21, 14, 5, tzinfo=UTC),
)


def written(code: str, language: Language, about: About = ABOUT, **more: object) -> str:
    return alerts.write(TEXTS, language, Alert(code=code, subject=SUBJECT, about=about, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("code", sorted(alerts.ALERTS))
def test_everything_that_is_known_is_said(code: str, language: Language) -> None:
    text = written(code, language, job_id=JOB, work="apply_key")
    for known in (str(ORDER), "Month", "4.98 USD", "Ann &lt;b&gt; (Telegram 7)", "pi_3Qx", "Amsterdam 1", "apply_key"):
        assert known in text
    assert "14:05" in text
    assert ("$4.99" if language is Language.EN else "4,99 $") in text


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("code", [*sorted(alerts.ALERTS), "settle.failing", "moon.fell"])
def test_what_is_not_known_is_left_out(code: str, language: Language) -> None:
    text = written(code, language, About(), work="settle" if code.endswith(".failing") else "")
    assert "None" not in text
    assert str(SUBJECT) in text or code.endswith(".failing")
    assert not re.search(r"veilbot \w+ \w+ *</code>", text) or "job list" in text or "server add" in text


@pytest.mark.parametrize("language", list(Language))
def test_each_command_that_is_named_exists(language: Language) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = set()
    for code in alerts.ALERTS:
        for text in (written(code, language, job_id=JOB), written(code, language, About())):
            named |= set(re.findall(r"veilbot (\w+)(?: (\w+))?", text))
    assert len(named) >= 6
    for command, inner in named:
        assert command in commands
        if inner and hasattr(commands[command], "commands"):
            assert inner in commands[command].commands, inner


@pytest.mark.parametrize(("code", "command"), [("order.held", "order retry"), ("payment.held", "order refund")])
def test_the_command_is_ready_to_be_pasted(code: str, command: str) -> None:
    assert f"<code>veilbot {command} {ORDER}</code>" in written(code, Language.EN)
    assert "veilbot order" not in written(code, Language.EN, About())


def test_dead_work_is_tried_again_by_its_id() -> None:
    assert f"<code>veilbot job retry {JOB}</code>" in written("job.dead", Language.EN, job_id=JOB)
    assert "<code>veilbot job list</code>" in written("job.dead", Language.EN)
