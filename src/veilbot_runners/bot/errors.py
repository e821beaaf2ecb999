"""Errors: the sentence that a customer reads for each of them."""

from collections.abc import Mapping

from veilbot_core.domain import errors as e

SENTENCES: Mapping[type[e.VeilbotError], str] = {
    e.VeilbotError: "error",
    e.InvalidInput: "error-invalid-input",
    e.NotFound: "error-not-found",
    e.Conflict: "error-conflict",
    e.AlreadyExists: "error-already-exists",
    e.InvalidTransition: "error-invalid-transition",
    e.LeaseLost: "error-lease-lost",
    e.Refused: "error-refused",
    e.Unauthorized: "error-unauthorized",
    e.Forbidden: "error-forbidden",
    e.RateLimited: "error-rate-limited",
    e.UserBlocked: "error-user-blocked",
    e.NetworkInsideTransaction: "error-network-inside-transaction",
    e.PaymentError: "error-payment-error",
    e.GatewayOff: "error-gateway-off",
    e.InvalidSignature: "error-invalid-signature",
    e.MalformedEvent: "error-malformed-event",
    e.TariffUnavailable: "error-tariff-unavailable",
    e.VpnError: "error-vpn-error",
    e.ProtocolOff: "error-protocol-off",
    e.NoCapacity: "error-no-capacity",
    e.PortError: "error-port-error",
    e.Unavailable: "error-unavailable",
    e.Rejected: "error-rejected",
    e.Unknown: "error-unknown",
}
"""One text per class of the core's errors; a test proves that none is forgotten."""


def sentence(error: e.VeilbotError) -> str:
    """Return the name of the text for an error, of whatever class an adapter made of it."""
    return next(SENTENCES[kind] for kind in type(error).__mro__ if kind in SENTENCES)
