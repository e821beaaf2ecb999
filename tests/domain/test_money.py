"""Money: whole minor units, written as people write it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veilbot_core.domain.currency import exponent
from veilbot_core.domain.errors import InvalidInput
from veilbot_core.domain.money import Money

CURRENCIES = st.sampled_from(["USD", "EUR", "RUB", "JPY", "KRW", "XTR", "KWD", "TND"])
AMOUNTS = st.integers(min_value=-(10**15), max_value=10**15)


class TestMoney:
    @pytest.mark.parametrize(
        ("text", "currency", "amount"),
        [
            ("4.99", "USD", 499),
            ("4.9", "USD", 490),
            (" 499 ", "RUB", 49900),
            ("0", "USD", 0),
            ("500", "JPY", 500),
            ("100", "XTR", 100),
            ("1.234", "KWD", 1234),
            ("-3", "USD", -300),
        ],
    )
    def test_major_units_are_read_with_the_digits_of_the_currency(self, text: str, currency: str, amount: int) -> None:
        assert Money.parse(text, currency) == Money(amount=amount, currency=currency)

    @pytest.mark.parametrize(
        ("text", "currency"),
        [
            ("4.999", "USD"),
            ("0.5", "JPY"),
            ("1.2345", "KWD"),
            ("", "USD"),
            ("a lot", "USD"),
            ("nan", "USD"),
            ("sNaN", "USD"),
            ("Infinity", "USD"),
            ("4,99", "USD"),
            ("1e999999", "USD"),
            ("1e999999", "JPY"),
            ("-1e999999", "KWD"),
            ("10000000000000000", "USD"),
            ("4.9900000000000000000000000000000001", "USD"),
        ],
    )
    def test_what_is_no_amount_is_refused(self, text: str, currency: str) -> None:
        with pytest.raises(InvalidInput) as refusal:
            Money.parse(text, currency)
        assert refusal.value.field == "amount"

    @pytest.mark.parametrize("amount", [1.0, True, "1", None, 10**15 + 1, -(10**15) - 1, Decimal(1)])
    def test_only_whole_numbers_of_a_sane_size(self, amount: object) -> None:
        with pytest.raises(InvalidInput):
            Money(amount=amount, currency="USD")  # type: ignore[arg-type]

    @pytest.mark.parametrize("currency", ["usd", "US", "USDT", "", "U D", "ÄÖÜ", None, "USD\n"])
    def test_only_three_capital_letters(self, currency: object) -> None:
        with pytest.raises(InvalidInput):
            Money(amount=1, currency=currency)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("amount", "currency", "shown"),
        [
            (499, "USD", "4.99 USD"),
            (5, "USD", "0.05 USD"),
            (-5, "USD", "-0.05 USD"),
            (500, "JPY", "500 JPY"),
            (1, "KWD", "0.001 KWD"),
            (0, "XTR", "0 XTR"),
            (10**15, "USD", "10000000000000.00 USD"),
        ],
    )
    def test_it_is_shown_with_the_digits_of_the_currency(self, amount: int, currency: str, shown: str) -> None:
        assert str(Money(amount=amount, currency=currency)) == shown

    @given(amount=AMOUNTS, currency=CURRENCIES)
    def test_what_is_shown_reads_back_the_same(self, amount: int, currency: str) -> None:
        money = Money(amount=amount, currency=currency)
        assert Money.parse(money.major, currency) == money

    @given(amount=AMOUNTS, currency=CURRENCIES)
    def test_the_shown_digits_are_those_of_the_currency(self, amount: int, currency: str) -> None:
        _, _, digits = Money(amount=amount, currency=currency).major.partition(".")
        assert len(digits) == exponent(currency)

    @given(text=st.text(max_size=40), currency=CURRENCIES)
    def test_any_text_is_an_amount_or_refused(self, text: str, currency: str) -> None:
        try:
            money = Money.parse(text, currency)
        except InvalidInput:
            return
        assert Money.parse(money.major, currency) == money
