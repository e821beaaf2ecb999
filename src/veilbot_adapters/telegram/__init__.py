"""Telegram: telling customers and operators, and every text that they read."""

from veilbot_adapters.telegram.bills import Bills
from veilbot_adapters.telegram.client import BotApi
from veilbot_adapters.telegram.notifier import TelegramNotifier
from veilbot_adapters.telegram.pace import Pace
from veilbot_adapters.telegram.texts import Html, Texts

__all__ = ["Bills", "BotApi", "Html", "Pace", "TelegramNotifier", "Texts"]
