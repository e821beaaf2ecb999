"""The texts: both languages say the same things, and whoever asks for a text asks rightly."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from fluent.syntax import FluentParser
from fluent.syntax import ast as ftl
from fluent.syntax.visitor import Visitor

import veilbot_adapters.telegram
import veilbot_runners.bot
from veilbot_adapters.telegram import Texts
from veilbot_adapters.telegram.alerts import ALERTS
from veilbot_core.domain.events import FOLLOW_UPS
from veilbot_core.domain.jobs import JobKind
from veilbot_core.domain.money import Money
from veilbot_core.domain.user import Language

EN, RU = Language.EN, Language.RU
NOON = datetime(2026, 11, 21, 14, 5, tzinfo=UTC)


class _Variables(Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ftl.VariableReference) -> None:  # noqa: N802 - the visitor's convention
        self.names.add(node.id.name)


def messages(language: Language) -> dict[str, frozenset[str]]:
    """Return the ids of a language's messages with their variables."""
    source = files(veilbot_adapters.telegram).joinpath("texts", f"{language}.ftl").read_text(encoding="utf-8")
    found = {}
    for entry in FluentParser().parse(source).body:
        assert not isinstance(entry, ftl.Junk), entry.content
        if isinstance(entry, ftl.Message):
            assert entry.id.name not in found, f"{entry.id.name} stands there twice"
            visitor = _Variables()
            visitor.visit(entry)
            found[entry.id.name] = frozenset(visitor.names)
    return found


def asked() -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield every literal text that the code asks for: where, its id, the names of its values."""
    for path, node in calls():
        if isinstance(node.func, ast.Attribute) and node.func.attr == "say":
            place = 0
        elif ast.unparse(node.func) in {"texts", "words", "self", "self._words", "self.words"}:
            place = 1
        else:
            continue
        name = node.args[place] if len(node.args) > place else None
        if isinstance(name, ast.Constant):
            yield f"{path.name}:{node.lineno}", str(name.value), frozenset(str(word.arg) for word in node.keywords)


def calls() -> Iterator[tuple[Path, ast.Call]]:
    """Yield every call of the code that speaks to customers, as far as its names are written out."""
    packages = (veilbot_adapters.telegram, veilbot_runners.bot)
    for path in sorted(path for package in packages for path in Path(str(package.__file__)).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and all(word.arg is not None for word in node.keywords):
                yield path, node


class TestFiles:
    def test_both_languages_have_the_same_texts_with_the_same_values(self) -> None:
        assert messages(EN) == messages(RU)

    def test_code_asks_only_for_what_there_is(self) -> None:
        known, found = messages(EN), list(asked())
        assert len(found) > 60
        wrong = [(where, name) for where, name, values in found if known.get(name) != values]
        assert not wrong

    def test_nothing_is_written_that_nobody_says(self) -> None:
        source = "".join(
            path.read_text(encoding="utf-8")
            for package in (veilbot_adapters.telegram, veilbot_runners.bot)
            for path in Path(str(package.__file__)).parent.glob("*.py")
        )
        families = ("alert-", "do-", "button-", "command-", "error", "expiring-", "help-", "language-")
        unsaid = [name for name in messages(EN) if f'"{name}"' not in source and not name.startswith(families)]
        assert unsaid == []

    @pytest.mark.parametrize("language", list(Language))
    def test_every_text_can_be_said(self, language: Language) -> None:
        texts = Texts()
        for name, values in messages(language).items():
            said = texts(language, name, **{value: 5 if value == "n" else f"<{value}&" for value in values})
            assert said.strip()
            assert "{" not in said, name
            for value in values - {"n"}:
                assert f"&lt;{value}&amp;" in said, name

    def test_every_fact_that_needs_a_person_says_what_to_do(self) -> None:
        alerts = {kind.value for kind, jobs in FOLLOW_UPS.items() if JobKind.ALERT in jobs}
        others = {"order.waiting", "keys.stay", "job.dead", "job.stuck", "settle.trouble", "payment.inquiry"}
        assert alerts | others == ALERTS
        assert {f"alert-{code.replace('.', '-').replace('_', '-')}" for code in ALERTS} <= set(messages(EN))


class TestForms:
    @pytest.mark.parametrize(
        ("n", "russian", "english"),
        [
            (1, "1 день", "1 day"),
            (3, "3 дня", "3 days"),
            (5, "5 дней", "5 days"),
            (11, "11 дней", "11 days"),
            (21, "21 день", "21 days"),
            (112, "112 дней", "112 days"),
        ],
    )
    def test_numbers_have_their_plural(self, n: int, russian: str, english: str) -> None:
        assert (Texts()(RU, "days", n=n), Texts()(EN, "days", n=n)) == (russian, english)

    def test_time_is_told_with_its_zone(self) -> None:
        assert Texts().moment(EN, NOON) == "21 November 2026, 14:05 UTC"
        assert Texts().moment(RU, NOON) == "21 ноября 2026, 14:05 UTC"
        assert Texts().day(RU, NOON) == "21 ноября"

    def test_countries_have_flag_and_name(self) -> None:
        assert Texts().country(RU, "NL") == "🇳🇱 Нидерланды"
        assert Texts().country(EN, "DE") == "🇩🇪 Germany"
        assert Texts().country(EN, "QQ") == "🇶🇶 QQ"
        assert Texts().country(EN, "") == ""

    @pytest.mark.parametrize(
        ("amount", "english", "russian"),
        [
            (0, "0 GB", "0 ГБ"),
            (1, "1 MB", "1 МБ"),
            (350_000_000, "350 MB", "350 МБ"),
            (1_500_000_000, "1.5 GB", "1,5 ГБ"),
            (100 * 10**9, "100 GB", "100 ГБ"),
        ],
    )
    def test_traffic_is_counted_as_people_do(self, amount: int, english: str, russian: str) -> None:
        assert (Texts().traffic(EN, amount), Texts().traffic(RU, amount)) == (english, russian)

    @pytest.mark.parametrize(
        ("money", "english", "russian"),
        [
            (Money(amount=499, currency="USD"), "$4.99", "4,99 $"),
            (Money(amount=49900, currency="RUB"), "499 ₽", "499 ₽"),
            (Money(amount=100, currency="XTR"), "100 ⭐", "100 ⭐"),
            (Money(amount=1250, currency="CHF"), "12.50 CHF", "12,50 CHF"),
        ],
    )
    def test_money_is_written_as_people_do(self, money: Money, english: str, russian: str) -> None:
        assert (Texts().money(EN, money), Texts().money(RU, money)) == (english, russian)

    def test_a_long_value_is_put_in_whole_and_escaped(self) -> None:
        assert "<b>" not in Texts()(EN, "link-label", link="<b>" * 2000).split("<code>", 1)[1].removesuffix("</code>")
        assert len(Texts()(EN, "tariffs", list="x" * 4000)) > 4000

    def test_an_unknown_text_or_a_missing_value_is_an_error(self) -> None:
        with pytest.raises(LookupError):
            Texts()(EN, "no-such-text")
        with pytest.raises(LookupError):
            Texts()(EN, "paid")
