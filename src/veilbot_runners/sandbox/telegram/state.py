"""Everything that the sandbox's Telegram remembers."""

from veilbot_runners.sandbox.telegram.chats import Chats
from veilbot_runners.sandbox.telegram.errors import JsonObject
from veilbot_runners.sandbox.telegram.faults import Faults
from veilbot_runners.sandbox.telegram.files import Files
from veilbot_runners.sandbox.telegram.profile import Profile
from veilbot_runners.sandbox.telegram.queries import Queries
from veilbot_runners.sandbox.telegram.stars import Stars
from veilbot_runners.sandbox.telegram.updates import Updates


class TelegramState:
    """One bot and its customers, all in memory."""

    def __init__(self, token: str, *, username: str = "veilbot_bot", name: str = "VeilBot") -> None:
        self.token = token
        bot_id = token.partition(":")[0]
        self.bot: JsonObject = {
            "id": int(bot_id) if bot_id.isdecimal() else 1,
            "is_bot": True,
            "first_name": name,
            "username": username,
        }
        self.faults = Faults()
        self.chats = Chats(self.bot)
        self.files = Files()
        self.updates = Updates(self.faults)
        self.queries = Queries()
        self.stars = Stars()
        self.profile = Profile()
        self.webhook: JsonObject = {}
        """What setWebhook asked for: url, secret_token, max_connections."""
        self.webhook_trouble: JsonObject = {}
        """``last_error_date`` and ``last_error_message`` of getWebhookInfo."""
