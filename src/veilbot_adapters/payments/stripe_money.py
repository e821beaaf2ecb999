"""Amounts as Stripe counts them.

Stripe takes minor units, but not always those of ISO 4217 (docs.stripe.com/currencies, "zero-decimal", "special cases"
and "three-decimal currencies"): MGA has none there; UGX and ISK are sent as if they had two digits, always ``00``; and
the last digit of a three-decimal amount is 0.
"""

from veilbot_core.domain.currency import exponent
from veilbot_core.domain.errors import InvalidInput, MalformedEvent, Rejected
from veilbot_core.domain.money import Money

_WHOLE_ONLY = frozenset({"UGX", "ISK"})
_DIGITS = {"MGA": 0, "UGX": 2, "ISK": 2}
"""Where Stripe counts in other units than ISO 4217."""


def to_stripe(money: Money) -> int:
    """Return the amount that Stripe takes for ``money``.

    Raises:
        Rejected: Stripe cannot take exactly this much.
    """
    ours, theirs = _units(money.currency)
    amount, rest = divmod(money.amount * theirs, ours)
    step = 100 if money.currency in _WHOLE_ONLY else 10 if exponent(money.currency) == 3 else 1
    if amount <= 0 or rest or amount % step:
        raise Rejected(f"Stripe cannot take {money}: the price must be positive and a multiple of what it counts in")
    return amount


def from_stripe(amount: object, currency: object) -> Money:
    """Read an amount from Stripe's JSON.

    Raises:
        MalformedEvent: not an amount of money.
    """
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
        raise MalformedEvent("an amount is not a whole number")
    if not isinstance(currency, str) or not currency.isascii():
        raise MalformedEvent("a currency is not a text")
    code = currency.upper()
    ours, theirs = _units(code)
    whole, rest = divmod(amount * ours, theirs)
    if rest:
        raise MalformedEvent("an amount has a fraction that its currency has not")
    try:
        return Money(amount=whole, currency=code)
    except InvalidInput as error:
        raise MalformedEvent(error.message) from None


def _units(currency: str) -> tuple[int, int]:
    """Return how many of our minor units and how many of Stripe's units make one major unit."""
    return 10 ** exponent(currency), 10 ** _DIGITS.get(currency, exponent(currency))
