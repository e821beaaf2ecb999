"""Texts: every sentence that a customer or an operator reads in Telegram, from the Fluent files in ``texts/``.

The files are HTML as Telegram understands it; arguments are escaped here, unless they are `Html` already.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from importlib.resources import files

from babel import Locale
from fluent.runtime import FluentBundle, FluentResource

from veilbot_core.domain.money import Money
from veilbot_core.domain.user import Language

_GIGABYTE = 10**9  # as VPN apps and providers count
_MEGABYTE = 10**6
_LONG = 500  # fluent.runtime refuses values of more than 2500 characters: long ones are put in behind it
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "RUB": "₽", "UAH": "₴", "KZT": "₸", "XTR": "⭐"}
_BEFORE = {"$", "€", "£"}


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


class Texts:
    """Says things in the customer's language."""

    def __init__(self) -> None:
        self._bundles = {language: _bundle(language) for language in Language}
        self._locales = {language: Locale(language) for language in Language}
        # Secrets are never among whole numbers, so what they make may be remembered; strings are not.
        self._counted = lru_cache(maxsize=4096)(lambda language, name, values: self._say(language, name, dict(values)))

    def __call__(self, language: Language, name: str, /, **values: str | int) -> Html:
        """Return a text with its values put in. Raises LookupError for an unknown name or a missing value."""
        if all(isinstance(value, int) for value in values.values()):
            return self._counted(language, name, tuple(values.items()))
        return self._say(language, name, values)

    @staticmethod
    def html(text: str) -> Html:
        """Mark text as markup already."""
        return Html(text)

    @staticmethod
    def safe(text: str) -> Html:
        """Return plain text as markup."""
        return Html(escape(text, quote=False))

    def country(self, language: Language, code: str) -> str:
        """Return flag and name of a country: ``🇳🇱 Netherlands``; the code itself where nobody knows it."""
        name = self._locales[language].territories.get(code, code)
        if len(code) != 2 or not (code.isascii() and code.isalpha()):
            return str(name)
        return "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in code.upper()) + f" {name}"

    def day(self, language: Language, moment: datetime) -> str:
        """Return the date without a year: ``21 November``."""
        when = moment.astimezone(UTC)
        return f"{when.day} {self._locales[language].months['format']['wide'][when.month]}"

    def moment(self, language: Language, moment: datetime) -> str:
        """Return date and time: ``21 November 2026, 14:05 UTC``."""
        when = moment.astimezone(UTC)
        return f"{self.day(language, when)} {when.year}, {when.hour:02}:{when.minute:02} UTC"

    def traffic(self, language: Language, amount: int) -> str:
        """Return bytes as people count them: ``1.5 GB``."""
        if 0 < amount < _GIGABYTE:
            return self(language, "megabytes", n=max(1, round(amount / _MEGABYTE)))
        size = amount / _GIGABYTE
        digits = f"{size:.1f}" if size < 100 else f"{size:.0f}"
        return self(language, "gigabytes", n=self._decimal(language, digits.removesuffix(".0")))

    def money(self, language: Language, money: Money) -> str:
        """Return an amount as people write it: ``$4.99``, ``499 ₽``."""
        digits = self._decimal(language, money.major.removesuffix(".00"))
        symbol = _SYMBOLS.get(money.currency, money.currency)
        return f"{symbol}{digits}" if symbol in _BEFORE and language is Language.EN else f"{digits} {symbol}"

    def _decimal(self, language: Language, digits: str) -> str:
        return digits.replace(".", ",") if language is Language.RU else digits

    def _say(self, language: Language, name: str, values: Mapping[str, str | int]) -> Html:
        bundle = self._bundles[language]
        given = {key: _safe(value) for key, value in values.items()}
        long = {
            f"\ue000{key}\ue001": value for key, value in given.items() if isinstance(value, str) and len(value) > _LONG
        }
        for mark in long:
            given[mark[1:-1]] = mark
        pattern = bundle.get_message(name).value
        text, errors = bundle.format_pattern(pattern, given) if pattern is not None else ("", [])
        if errors or pattern is None:
            raise LookupError(f"text {name} in {language.value}: {errors[0] if errors else 'empty'}")
        whole = str(text)
        for mark, value in long.items():
            whole = whole.replace(mark, value)
        return Html(whole)


def _safe(value: str | int) -> str | int:
    return value if isinstance(value, Html | int) else Texts.safe(value)


def _bundle(language: Language) -> FluentBundle:
    source = files(__package__).joinpath("texts", f"{language}.ftl").read_text(encoding="utf-8")
    bundle = FluentBundle([language.value], use_isolating=False)
    bundle.add_resource(FluentResource(source))
    return bundle
