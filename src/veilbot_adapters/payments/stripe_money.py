"""Amounts as Stripe counts them.

Stripe takes minor units, with two special rules (docs.stripe.com/currencies, "special cases" and "three-decimal
currencies"): UGX and ISK have no minor unit any more but are still sent as if they had two digits, always ``00``; and
the last digit of a three-decimal amount is 0.
"""

from veilbot_core.domain.errors import InvalidInput, MalformedEvent, Rejected
from veilbot_core.domain.money import Money, exponent

_WHOLE_ONLY = frozenset({"UGX", "ISK"})
_STRIPE_DIGITS = 2


def to_stripe(money: Money) -> int:
    """Return the amount that Stripe takes for ``money``.

    Raises:
        Rejected: Stripe cannot take exactly this much.
    """
    amount = money.amount * _scale(money.currency)
    step = 100 if money.currency in _WHOLE_ONLY else 10 if exponent(money.currency) == 3 else 1
    if amount <= 0 or amount % step:
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
    whole, rest = divmod(amount, _scale(code))
    if rest:
        raise MalformedEvent("an amount has a fraction that its currency has not")
    try:
        return Money(amount=whole, currency=code)
    except InvalidInput as error:
        raise MalformedEvent(error.message) from None


def _scale(currency: str) -> int:
    """Return how many of Stripe's units make one minor unit of ours."""
    return 10 ** (_STRIPE_DIGITS - exponent(currency)) if currency in _WHOLE_ONLY else 1
