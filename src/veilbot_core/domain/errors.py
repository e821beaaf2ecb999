"""Everything that can go wrong, in one tree.

::

    VeilbotError
    |- InvalidInput            a value is not acceptable (validation)
    |- NotFound                no such thing
    |- Conflict                the present state does not allow it
    |  |- AlreadyExists
    |  |- InvalidTransition
    |  `- LeaseLost            another worker owns this job now
    |- Refused                 a rule says no
    |  |- Unauthorized         who are you?
    |  |- Forbidden            you may not
    |  |- RateLimited          too often
    |  |- UserBlocked
    |  `- NetworkInsideTransaction
    |- PaymentError            money
    |  |- GatewayOff           this provider is not configured
    |  |- InvalidSignature     the provider did not sign this
    |  |- MalformedEvent       signed, but not understandable
    |  `- TariffUnavailable    not for sale, or not in this currency
    |- VpnError                access
    |  |- ProtocolOff          no adapter for this protocol
    |  `- NoCapacity           every suitable server is full
    `- PortError               the outside failed
       |- Unavailable          nothing happened: try again later
       |- Rejected             it said no: a person must act
       `- Unknown              it may have happened: look before doing it again

Each class has a stable ``code``. HTTP statuses and sentences for people live in the runners, in maps that a
test proves total over this tree.
"""

import os
import re
import ssl
from typing import ClassVar

_NUMBER = re.compile(r"\[Errno (\d+)\]")
"""In asyncio's one error for several addresses: "Multiple exceptions: [Errno 111] Connect call failed ..."."""


class VeilbotError(Exception):
    """Root of all errors that the product raises on purpose.

    ``message`` is for operators and logs; it never holds a secret.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, field: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or self.code).strip().splitlines()[0])
        self.field = field
        self.retry_after = retry_after

    @property
    def message(self) -> str:
        """One sentence for operators and logs."""
        return str(self.args[0])


class InvalidInput(VeilbotError):
    """A value is not acceptable."""

    code = "invalid_input"


class NotFound(VeilbotError):
    """There is no such thing."""

    code = "not_found"


class Conflict(VeilbotError):
    """The present state does not allow this."""

    code = "conflict"


class AlreadyExists(Conflict):
    """A thing with this identity exists already."""

    code = "already_exists"


class InvalidTransition(Conflict):
    """This step is not possible from the present state."""

    code = "invalid_transition"


class LeaseLost(Conflict):
    """Another worker owns this job now."""

    code = "lease_lost"


class Refused(VeilbotError):
    """A rule says no."""

    code = "refused"


class Unauthorized(Refused):
    """An API key is missing, wrong, expired or revoked."""

    code = "unauthorized"


class Forbidden(Refused):
    """The caller may not do this."""

    code = "forbidden"


class RateLimited(Refused):
    """Too many requests."""

    code = "rate_limited"


class UserBlocked(Refused):
    """The customer is blocked."""

    code = "user_blocked"


class NetworkInsideTransaction(Refused):
    """A call outward was made inside a unit of work."""

    code = "network_inside_transaction"


class PaymentError(VeilbotError):
    """Something about money is wrong."""

    code = "payment_error"


class GatewayOff(PaymentError):
    """This payment provider is not configured."""

    code = "gateway_off"


class InvalidSignature(PaymentError):
    """The provider did not sign this message."""

    code = "invalid_signature"


class MalformedEvent(PaymentError):
    """The message is authentic but not understandable."""

    code = "malformed_event"


class TariffUnavailable(PaymentError):
    """The tariff is not for sale, or not in this currency."""

    code = "tariff_unavailable"


class VpnError(VeilbotError):
    """Something about VPN access is wrong."""

    code = "vpn_error"


class ProtocolOff(VpnError):
    """There is no adapter for this protocol."""

    code = "protocol_off"


class NoCapacity(VpnError):
    """Every suitable server is full or out of order."""

    code = "no_capacity"


class PortError(VeilbotError):
    """Something outside failed."""

    code = "port_error"


class Unavailable(PortError):
    """The other side did not do it; try again later."""

    code = "unavailable"


class Rejected(PortError):
    """The other side refused; a person must act."""

    code = "rejected"


class Unknown(PortError):
    """It may have happened; look before doing it again."""

    code = "unknown"


def because(error: BaseException) -> str:
    """Return why a connection failed, in the system's words: "Connection refused"; never an address.

    What lies under an error counts first: libraries wrap what the system said. What is not of the system's making is
    named by its kind.
    """
    chain: list[BaseException] = []
    under: BaseException | None = error
    while under is not None and under not in chain:  # it may go round in a circle
        chain.append(under)
        under = under.__cause__ or (None if under.__suppress_context__ else under.__context__)
    return next(filter(None, map(_reason, reversed(chain))), type(error).__name__)


def _reason(error: BaseException) -> str:
    """Return the system's reason for this one error, if it has one."""
    if isinstance(error, ssl.SSLError):  # whose number is OpenSSL's, not the system's
        return f"TLS: {(getattr(error, 'reason', None) or 'failed').replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    if not isinstance(error, OSError):
        return ""
    if error.errno:
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)  # names have numbers below zero
    number = _NUMBER.search(str(error))
    return os.strerror(int(number[1])) if number else ""
