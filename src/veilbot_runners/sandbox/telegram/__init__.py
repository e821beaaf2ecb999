"""A local Telegram: the Bot API that the real bot talks to, and the customers who talk to the bot."""

from veilbot_runners.sandbox.telegram.faults import Fault, FaultKind
from veilbot_runners.sandbox.telegram.server import TelegramSandbox, telegram_router

__all__ = ["Fault", "FaultKind", "TelegramSandbox", "telegram_router"]
