"""Currencies: those that people pay with, and nothing else."""

import pytest
from babel.numbers import get_currency_precision, is_currency

from veilbot_core.domain.currency import CURRENCIES, check_currency, exponent
from veilbot_core.domain.errors import InvalidInput

OTHERWISE = {
    *("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SLE", "SOS", "SYP", "YER"),
    *("COP", "PKR", "CRC", "CZK", "HUF", "IDR", "NOK", "SEK", "TWD", "UZS", "AMD", "GYD", "MNT", "MUR", "TZS", "IQD"),
}
"""Where Unicode's data says how many digits people use, which are fewer than ISO 4217 has."""


@pytest.mark.parametrize("code", ["USD", "EUR", "RUB", "UAH", "KZT", "JPY", "KWD", "XTR", "XOF", "XCG", "SLE", "VES"])
def test_money_that_people_pay_with_is_known(code: str) -> None:
    check_currency(code)
    assert exponent(code) == CURRENCIES[code]


@pytest.mark.parametrize(
    "code",
    ["ZZZ", "QQQ", "usd", "", "US", "USDT", "XXX", "XTS", "XAU", "XDR", "BOV", "HRK", "DEM", "SUR", "ANG", "BGN"],
)
def test_everything_else_is_refused(code: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_currency(code)
    assert refusal.value.field == "currency"


def test_another_table_agrees() -> None:
    """Babel carries Unicode's data, which was made from the same standard by other people."""
    others = {code: digits for code, digits in CURRENCIES.items() if code not in {"XTR", "XCG", "ZWG"}}
    assert [code for code in others if not is_currency(code, "en")] == []
    wrong = {code for code, digits in others.items() if get_currency_precision(code) != digits}
    assert wrong <= OTHERWISE


def test_an_unknown_code_counts_in_hundredths() -> None:
    assert (exponent("ZZZ"), exponent("ISK"), exponent("MGA"), exponent("KWD")) == (2, 0, 2, 3)
