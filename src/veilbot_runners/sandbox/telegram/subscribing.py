"""Methods about the webhook (https://core.telegram.org/bots/api#setwebhook); its deliveries are in ``webhook.py``."""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from veilbot_runners.sandbox.telegram.errors import JsonObject, bad_request
from veilbot_runners.sandbox.telegram.params import Params

if TYPE_CHECKING:
    from veilbot_runners.sandbox.telegram.state import TelegramState

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CONNECTIONS = 40


def set_webhook(state: "TelegramState", params: Params) -> bool:
    """Deliver updates to an address; an empty one removes it."""
    url = params.text("url")
    if not url:
        return delete_webhook(state, params)
    secret = params.text("secret_token")
    if secret and not _SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")
    _check(url)
    state.updates.allow(params)
    if params.flag("drop_pending_updates"):
        state.updates.drop()
    connections = min(max(params.integer("max_connections", _CONNECTIONS), 1), 100)
    state.webhook = {"url": url, "secret_token": secret, "max_connections": connections}
    state.webhook_trouble = {}
    state.updates.webhook_set = True
    state.updates.end_poll("terminated by setWebhook request")
    state.updates.arrived.set()
    return True


def delete_webhook(state: "TelegramState", params: Params) -> bool:
    """Go back to polling."""
    state.webhook = {}
    state.webhook_trouble = {}
    state.updates.webhook_set = False
    if params.flag("drop_pending_updates"):
        state.updates.drop()
    state.updates.arrived.set()
    return True


def get_webhook_info(state: "TelegramState", params: Params) -> JsonObject:  # noqa: ARG001 - every method has this shape
    """Tell how the deliveries go."""
    info: JsonObject = {
        "url": state.webhook.get("url", ""),
        "has_custom_certificate": False,
        "pending_update_count": len(state.updates.pending),
        **state.webhook_trouble,
    }
    if state.webhook:
        info["max_connections"] = state.webhook["max_connections"]
    if state.updates.allowed:
        info["allowed_updates"] = sorted(state.updates.allowed)
    return info


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise bad_request("bad webhook: invalid webhook URL specified") from error
    if not host or parts.scheme not in {"http", "https"}:
        raise bad_request("bad webhook: invalid webhook URL specified")
    if parts.scheme == "http" and host not in _LOOPBACK:  # the real one takes https only
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
