"""The HTTP API: parse, call a service, render."""

from veilbot_runners.api.app import MODULES, build_api
from veilbot_runners.api.limits import Rate
from veilbot_runners.api.webhooks import TelegramWebhook

__all__ = ["MODULES", "Rate", "TelegramWebhook", "build_api"]
