"""Money: whole minor units and a currency, never a float."""

import re
from dataclasses import dataclass
from decimal import Decimal

from veilbot_core.domain.currency import exponent
from veilbot_core.domain.errors import InvalidInput

_CODE = re.compile(r"[A-Z]{3}")
_MAX = 10**15


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in minor units (cents, kopecks) of an ISO 4217 currency."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is no amount of money."""
        if not isinstance(self.amount, int) or isinstance(self.amount, bool) or abs(self.amount) > _MAX:
            raise InvalidInput("an amount is a whole number of minor units", field="amount")
        if not isinstance(self.currency, str) or not _CODE.fullmatch(self.currency):
            raise InvalidInput("a currency is three capital letters", field="currency")

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Read major units as people write them (``"4.99"``).

        Raises:
            InvalidInput: not a number, or more digits than the currency has.
        """
        written = text.strip()
        try:  # longer than any real amount, decimal arithmetic would round
            scaled = Decimal(written if len(written) <= 24 else "").scaleb(exponent(currency))
        except ArithmeticError:
            raise InvalidInput(f"{written[:24]!r} is not an amount", field="amount") from None
        if not scaled.is_finite() or abs(scaled) > _MAX:
            raise InvalidInput(f"{written!r} is not an amount", field="amount")
        if scaled != scaled.to_integral_value():
            raise InvalidInput(f"{currency} has {exponent(currency)} decimal digits", field="amount")
        return cls(amount=int(scaled), currency=currency)

    @property
    def major(self) -> str:
        """The amount in major units, with as many digits as the currency has: ``"4.99"``."""
        digits = exponent(self.currency)
        return f"{Decimal(self.amount).scaleb(-digits):.{digits}f}"

    def __str__(self) -> str:
        """Read as ``4.99 USD``."""
        return f"{self.major} {self.currency}"
