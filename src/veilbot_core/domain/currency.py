"""Currencies: the codes that prices may have, and how many digits their minor units have.

ISO 4217, list one (published by SIX, the maintenance agency): active codes of money that people pay with, as of January
2026. Left out are fund codes, precious metals and the codes for testing and for no currency. Beside them XTR, Telegram
Stars (core.telegram.org/bots/payments-stars), which have no minor unit.
"""

from veilbot_core.domain.errors import InvalidInput

_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF XTR"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_HUNDREDTHS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE
    CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR
    KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY
    TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG
"""

CURRENCIES = (
    dict.fromkeys(_WHOLE.split(), 0) | dict.fromkeys(_HUNDREDTHS.split(), 2) | dict.fromkeys(_THOUSANDTHS.split(), 3)
)
"""Digits of the minor unit by code."""


def check_currency(code: str) -> None:
    """Refuse what is no currency that people pay with."""
    if code not in CURRENCIES:
        raise InvalidInput(f"{code!r:.12} is no currency that people pay with (ISO 4217, or XTR)", field="currency")


def exponent(code: str) -> int:
    """Return how many decimal digits the minor unit has; two for a code that we do not know."""
    return CURRENCIES.get(code, 2)
