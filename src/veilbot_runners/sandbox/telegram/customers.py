"""What customers do: they talk, tap buttons, pay, and shut the bot out."""

import random
import time

from veilbot_runners.sandbox.telegram.chats import Chat
from veilbot_runners.sandbox.telegram.entities import detect
from veilbot_runners.sandbox.telegram.errors import JsonObject, Refusal
from veilbot_runners.sandbox.telegram.html import utf16
from veilbot_runners.sandbox.telegram.keyboards import inline_buttons
from veilbot_runners.sandbox.telegram.state import TelegramState

_TEXT = 4096
_LARGEST_ID = 2**52
_PRE_CHECKOUT_SECONDS = 10.0
_NAMES = {
    "en": ("Alice Novak", "Ben Carter", "Clara Jensen", "Daniel Brooks", "Emma Fischer", "Lucas Meyer", "Maya Rossi",
           "Noah Lindqvist", "Olivia Grant", "Sofia Marin", "Theo Walker", "Zoe Adams"),
    "ru": ("Анна Смирнова", "Борис Кузнецов", "Вера Павлова", "Денис Орлов", "Егор Лебедев", "Ирина Волкова",
           "Кирилл Зайцев", "Мария Соколова", "Никита Морозов", "Ольга Белова", "Роман Фролов", "Юлия Крылова"),
}  # fmt: skip


class Customers:
    """The people at the other end of the bot."""

    def __init__(self, state: TelegramState) -> None:
        self.state = state

    def find(self, chat_id: int) -> Chat:
        """Return a chat. Raises Refusal."""
        chat = self.state.chats.all.get(chat_id)
        if chat is None:
            raise Refusal(404, "there is no such chat: write a message to open it")
        return chat

    def arrive(self, name: str = "", language_code: str = "en") -> Chat:
        """Make a new customer; without a name they get a believable one."""
        known = self.state.chats.all
        chat_id = random.randint(10**8, 10**9)
        while chat_id in known:
            chat_id += 1
        taken = {chat.name for chat in known.values()}
        names = _NAMES.get(language_code, _NAMES["en"])
        free = [candidate for candidate in names if candidate not in taken] or names
        return self.state.chats.open(chat_id, name.strip() or random.choice(free), language_code)

    def say(self, chat_id: int, text: str, *, name: str = "", language_code: str = "en") -> JsonObject:
        """Write to the bot; the first message opens the chat. Raises Refusal."""
        if not 0 < chat_id < _LARGEST_ID:
            raise Refusal(400, "a chat is a number from 1 to 2^52")
        text = text.strip()
        if not text or utf16(text) > _TEXT:
            raise Refusal(400, f"a message has 1 to {_TEXT} characters")
        chat = self.state.chats.open(chat_id, name.strip(), language_code)
        self._check(chat)
        message = self.state.chats.from_customer(chat, text=text, entities=detect(text))
        self.state.updates.push("message", message)
        return message

    async def tap(self, chat_id: int, message_id: int, data: str, seconds: float) -> JsonObject | None:
        """Tap a button; returns what the bot answered, None if it did not in time. Raises Refusal."""
        chat = self.find(chat_id)
        self._check(chat)
        message = self._message(chat, message_id)
        if all(button.get("callback_data") != data for button in inline_buttons(message)):
            raise Refusal(409, "there is no such button on this message")
        query_id = self.state.queries.ask()
        query = {
            "id": query_id,
            "from": chat.as_user(),
            "message": message,
            "chat_instance": str(chat.id),
            "data": data,
        }
        self.state.updates.push("callback_query", query)
        return await self.state.queries.wait(query_id, seconds)

    async def pay(self, chat_id: int, invoice_key: str) -> JsonObject:
        """Pay a bill: the bot is asked first, then told. Raises Refusal."""
        chat = self.find(chat_id)
        self._check(chat)
        invoice = self.state.stars.invoices.get(invoice_key)
        if invoice is None:
            raise Refusal(404, "there is no such invoice")
        query_id = self.state.queries.ask()
        query = {
            "id": query_id,
            "from": chat.as_user(),
            "currency": invoice["currency"],
            "total_amount": invoice["total_amount"],
            "invoice_payload": invoice["payload"],
        }
        self.state.updates.push("pre_checkout_query", query)
        answer = await self.state.queries.wait(query_id, _PRE_CHECKOUT_SECONDS)
        if answer is None:
            return {"paid": False, "error": "The bot did not confirm the payment within ten seconds."}
        if not answer.get("ok"):
            return {"paid": False, "error": answer.get("error", "")}
        invoice["paid"] = True
        paid = self.state.stars.settle(chat.as_user(), invoice)
        message = self.state.chats.from_customer(chat, successful_payment=paid)
        self.state.updates.push("message", message)
        return {"paid": True, "charge_id": paid["telegram_payment_charge_id"]}

    def block(self, chat_id: int, *, blocked: bool) -> None:
        """Shut the bot out, or let it in again. Raises Refusal."""
        chat = self.find(chat_id)
        if chat.blocked == blocked:
            return
        chat.blocked = blocked
        self.state.chats.touch(chat)
        member = {"status": "member", "user": self.state.bot}
        kicked = {"status": "kicked", "user": self.state.bot, "until_date": 0}
        change: JsonObject = {"chat": chat.as_chat(), "from": chat.as_user(), "date": int(time.time())}
        change["old_chat_member"], change["new_chat_member"] = (member, kicked) if blocked else (kicked, member)
        self.state.updates.push("my_chat_member", change)

    def _check(self, chat: Chat) -> None:
        if chat.blocked:
            raise Refusal(409, "this customer has blocked the bot: unblock it first")

    def _message(self, chat: Chat, message_id: int) -> JsonObject:
        message = chat.messages.get(message_id)
        if message is None:
            raise Refusal(404, "there is no such message")
        return message
