"""The bot: customers in Telegram, served with aiogram; importing it costs half a second, so import it where it runs."""

from veilbot_runners.bot.bot import TelegramBot
from veilbot_runners.bot.presence import Webhook

__all__ = ["TelegramBot", "Webhook"]
